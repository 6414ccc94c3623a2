"""Domains that a tenant has shown to be its own, by a real look at a name server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dns.rcode
import pytest

from hiram.lib.txt_records import NoAnswer, txt_records
from tenants.domains import Unverified, check_sender, domains_above, normalised, unverified
from tenants.models import SenderDomain
from tests.dns_server import DnsServer
from tests.tenancy import Caller, Said, caller, make_tenant, together

pytestmark = pytest.mark.django_db

LIST = "/v1/sender-domains"
DOMAIN = "acme.example"
NAME = f"_hiram.{DOMAIN}"


@pytest.fixture
def ours() -> Caller:
    return caller(make_tenant())


@pytest.fixture
def theirs() -> Caller:
    return caller(make_tenant())


@pytest.fixture
def server(settings: Any) -> Iterator[DnsServer]:
    with DnsServer() as server:
        settings.DNS_SERVERS = (server.address,)
        settings.VERIFIED_DOMAINS = True
        yield server


def claim(who: Caller, domain: str = DOMAIN) -> Said:
    return who.post(LIST, {"domain": domain})


def verify(who: Caller, domain: str = DOMAIN) -> Any:
    said = who.post(f"{LIST}/{domain}/verify")
    assert said.status == 200, said.body
    return said.body


def may(who: Caller, sender: str) -> bool:
    try:
        check_sender(who.tenant.pk, sender)
    except Unverified:
        return False
    return True


def test_a_claim_says_which_record_to_set(ours: Caller) -> None:
    said = claim(ours)
    assert said.status == 201
    assert said.headers["Location"] == f"{LIST}/{DOMAIN}"
    token = SenderDomain.objects.get().token
    assert len(token) == 32
    assert said.body.pop("created_at")
    assert said.body == {
        "domain": DOMAIN,
        "status": "pending",
        "record": {"type": "TXT", "name": NAME, "value": f"hiram-verification={token}"},
        "verified_at": None,
        "checked_at": None,
    }
    again = claim(ours, "ACME.Example.")
    assert (again.status, again.body["record"]) == (200, said.body["record"])
    assert ours.get(f"{LIST}/acme.EXAMPLE").body == again.body


def test_the_record_verifies_it(ours: Caller, server: DnsServer) -> None:
    value = claim(ours).body["record"]["value"]
    assert not may(ours, f"a@{DOMAIN}")
    server.records[NAME] = ["v=spf1 -all", value]
    found = verify(ours)
    assert (found["outcome"], found["status"]) == ("verified", "verified")
    assert sorted(found["found"]) == sorted(server.records[NAME])
    assert found["verified_at"] == found["checked_at"]
    assert server.asked == [(NAME, "TXT")]
    assert may(ours, f"a@{DOMAIN}")
    once_more = verify(ours)
    assert once_more["verified_at"] == found["verified_at"]
    assert once_more["checked_at"] > found["checked_at"]


def test_what_was_found_is_said(ours: Caller, server: DnsServer) -> None:
    claim(ours)
    found = verify(ours)
    assert (found["outcome"], found["found"], found["status"]) == ("no_record", [], "pending")
    assert found["detail"].startswith("There is no TXT record")
    server.records[NAME] = []  # the name exists, for something else
    assert verify(ours)["outcome"] == "no_record"
    server.records[NAME] = ["hiram-verification=0", "x" * 600, *map(str, range(20))]
    found = verify(ours)
    assert found["outcome"] == "other_record"
    assert len(found["found"]) == 10
    assert max(map(len, found["found"])) <= 255
    assert found["checked_at"]
    assert not may(ours, f"a@{DOMAIN}")


def test_a_record_that_is_gone_ends_it_and_no_answer_does_not(
    ours: Caller, server: DnsServer
) -> None:
    server.records[NAME] = [claim(ours).body["record"]["value"]]
    verify(ours)
    del server.records[NAME]
    server.rcode = dns.rcode.SERVFAIL
    found = verify(ours)
    assert (found["outcome"], found["status"]) == ("no_answer", "verified")
    assert found["detail"] == "Nothing has changed: the name servers could not answer."
    server.rcode = dns.rcode.NXDOMAIN
    found = verify(ours)
    assert (found["outcome"], found["status"], found["verified_at"]) == (
        "no_record",
        "pending",
        None,
    )


def test_a_silent_server_is_not_waited_for_long(ours: Caller, server: DnsServer) -> None:
    claim(ours)
    server.is_silent = True
    started = time.monotonic()
    found = verify(ours)
    assert time.monotonic() - started < 8
    assert (found["outcome"], found["found"]) == ("no_answer", [])
    assert found["detail"] == "Nothing has changed: no name server answered in time."


def test_another_tenant_needs_its_own_token(
    ours: Caller, theirs: Caller, server: DnsServer
) -> None:
    value = claim(ours).body["record"]["value"]
    server.records[NAME] = [value]
    verify(ours)
    said = claim(theirs)
    assert (said.status, said.body["status"]) == (201, "pending")
    own = said.body["record"]["value"]
    assert own != value
    assert verify(theirs)["outcome"] == "other_record"
    assert not may(theirs, f"a@{DOMAIN}")
    server.records[NAME].append(own)
    assert verify(theirs)["outcome"] == "verified"
    assert may(theirs, f"a@{DOMAIN}")
    assert may(ours, f"a@{DOMAIN}")


def test_an_international_domain_is_one_in_all_its_forms(ours: Caller, server: DnsServer) -> None:
    said = claim(ours, "Bücher.example")
    assert said.body["domain"] == "xn--bcher-kva.example"
    assert claim(ours, "bu\u0308cher.example").status == 200
    assert claim(ours, "XN--bcher-kva.example").status == 200
    server.records["_hiram.xn--bcher-kva.example"] = [said.body["record"]["value"]]
    assert verify(ours, "b%C3%BCcher.example")["outcome"] == "verified"
    for sender in ("a@bücher.example", "a@xn--bcher-kva.example", "ü@mail.BÜCHER.example"):
        assert may(ours, sender)


def test_what_is_below_a_verified_domain_counts(ours: Caller, server: DnsServer) -> None:
    server.records[NAME] = [claim(ours).body["record"]["value"]]
    verify(ours)
    assert domains_above("a@x.mail.acme.example") == (
        "x.mail.acme.example",
        "mail.acme.example",
        "acme.example",
    )
    senders = {
        "a@acme.example": True,
        "a@mail.acme.example": True,
        "a@x.mail.ACME.example": True,
        "a@notacme.example": False,
        "a@example": False,
        "a@acme.example.evil.example": False,
        "a@": False,
        "acme.example@evil.example": False,
    }
    assert {sender: may(ours, sender) for sender in senders} == senders


def test_the_way_up_is_not_the_way_down(ours: Caller, server: DnsServer) -> None:
    server.records["_hiram.mail.acme.example"] = [
        claim(ours, "mail.acme.example").body["record"]["value"]
    ]
    verify(ours, "mail.acme.example")
    assert may(ours, "a@mail.acme.example")
    assert not may(ours, "a@acme.example")


def test_many_senders_take_one_query_and_none_where_it_does_not_matter(
    ours: Caller, settings: Any, django_assert_num_queries: Any
) -> None:
    senders = [f"a@d{n}.example" for n in range(100)]
    settings.VERIFIED_DOMAINS = True
    with django_assert_num_queries(1):
        assert unverified(ours.tenant.pk, senders) == set(senders)
    with django_assert_num_queries(0):
        assert not unverified(ours.tenant.pk, ["+14155550100", "Acme"])
        settings.VERIFIED_DOMAINS = False
        assert not unverified(ours.tenant.pk, senders)


def test_given_up_it_counts_no_more_and_its_record_neither(
    ours: Caller, server: DnsServer
) -> None:
    server.records[NAME] = [claim(ours).body["record"]["value"]]
    verify(ours)
    assert ours.delete(f"{LIST}/{DOMAIN}").status == 204
    assert ours.delete(f"{LIST}/{DOMAIN}").status == 404
    assert not may(ours, f"a@{DOMAIN}")
    claim(ours)
    assert verify(ours)["outcome"] == "other_record"


@pytest.mark.parametrize(
    "domain",
    [
        "", "acme", "acme..example", ".acme.example", "-acme.example", "acme_x.example", "a b.example",
        "127.0.0.1", "1.2", "x" * 64 + ".example", ".".join(["abcdefg"] * 32), "acme.example/x",
        "a@acme.example", "*.acme.example", "acme.example\n", "\u2028.example", "xn--.ü",
        f"{'ä' * 60}.example",
    ],
)  # fmt: skip
def test_what_is_no_domain_is_refused(ours: Caller, domain: str) -> None:
    said = claim(ours, domain)
    assert said.status == 422
    assert [pointer for pointer, _ in said.errors] == ["/domain"]
    assert not SenderDomain.objects.exists()


@pytest.mark.parametrize("body", [{}, {"domain": 1}, {"domain": DOMAIN, "token": "mine"}, []])
def test_nor_is_another_body(ours: Caller, body: Any) -> None:
    assert ours.post(LIST, body).status == 422


def test_a_stranger_sees_nothing_of_it(ours: Caller, theirs: Caller, server: DnsServer) -> None:
    server.records[NAME] = [claim(ours).body["record"]["value"]]
    unknown = theirs.get(f"{LIST}/nobody.example")
    for said in (
        theirs.get(f"{LIST}/{DOMAIN}"),
        theirs.delete(f"{LIST}/{DOMAIN}"),
        theirs.post(f"{LIST}/{DOMAIN}/verify"),
    ):
        assert said.status == 404
        assert said.body | {"trace_request_id": ""} == unknown.body | {"trace_request_id": ""}
    assert server.asked == []
    assert theirs.get(LIST).body["data"] == []
    assert [row["domain"] for row in ours.get(LIST).body["data"]] == [DOMAIN]


def test_the_list_is_in_pages_and_the_same_in_all_modes(ours: Caller) -> None:
    for n in range(5):
        claim(ours, f"d{n}.example")
    first = ours.get(f"{LIST}?limit=3").body
    assert [row["domain"] for row in first["data"]] == ["d4.example", "d3.example", "d2.example"]
    rest = ours.get(f"{LIST}?limit=3&cursor={first['next_cursor']}").body
    assert [row["domain"] for row in rest["data"]] == ["d1.example", "d0.example"]
    tested = caller(ours.tenant, mode="test")
    assert len(tested.get(LIST).body["data"]) == 5


@pytest.mark.django_db(transaction=True)
def test_two_claims_at_once_are_one(ours: Caller) -> None:
    said = together(4, lambda _: claim(ours))
    assert sorted(s.status for s in said) == [200, 200, 200, 201]
    assert len({s.body["record"]["value"] for s in said}) == 1


@pytest.mark.django_db(transaction=True)
def test_slow_name_servers_hold_few_threads(ours: Caller, server: DnsServer) -> None:
    claim(ours)
    server.is_silent = True
    said = together(4, lambda _: ours.post(f"{LIST}/{DOMAIN}/verify"))
    assert sorted(s.status for s in said) == [200, 200, 429, 429]
    assert {s.headers.get("Retry-After") for s in said if s.status == 429} == {"5"}


class TestTheLook:
    def test_a_long_text_is_one(self, server: DnsServer) -> None:
        server.records["t.example"] = ["x" * 450]
        assert txt_records("t.example", [server.address]) == ["x" * 450]

    def test_the_next_server_is_asked(self, server: DnsServer) -> None:
        server.records["t.example"] = ["yes"]
        with DnsServer() as refusing:
            refusing.rcode = dns.rcode.REFUSED
            assert txt_records("t.example", [refusing.address, server.address]) == ["yes"]

    def test_a_name_that_cannot_be_asked_for_is_no_answer(self, server: DnsServer) -> None:
        with pytest.raises(NoAnswer):
            txt_records("x" * 64 + ".example", [server.address])


def test_normalising_twice_changes_nothing() -> None:
    for text in ("Acme.Example.", "bücher.example", "xn--bcher-kva.example", "a-b.c1.example"):
        assert normalised(normalised(text)) == normalised(text)
