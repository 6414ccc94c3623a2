"""`/v1/sender-configs`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from hiram.lib import ids
from tenants.models import Provider, SenderConfig, SenderDomain, Tenant
from tenants.senders import resolve
from tests.factories import ProviderFactory
from tests.tenancy import Caller, Said, caller, make_tenant, together

pytestmark = pytest.mark.django_db

LIST = "/v1/sender-configs"
ACME = f"{LIST}/org/acme"
EMPTY: dict[str, Any] = {
    "providers": {},
    "missing_providers": [],
    "from_email": None,
    "from_name": None,
    "from_phone": None,
    "locale": None,
}


@pytest.fixture
def ours() -> Caller:
    return caller(make_tenant())


@pytest.fixture
def theirs() -> Caller:
    return caller(make_tenant())


def mail(tenant: Tenant, *senders: str, **fields: Any) -> Provider:
    first, *more = senders or ("hello@sender.example",)
    settings = {"from_email": first, "allowed_from": more}
    return ProviderFactory.create(tenant=tenant, **{"settings": settings, **fields})


def sms(tenant: Tenant, number: str = "+14155550100") -> Provider:
    settings = {"account_sid": "AC1", "from_number": number}
    return ProviderFactory.create(tenant=tenant, channel="sms", driver="twilio", settings=settings)


def shown(provider: Provider) -> str:
    return ids.show("prv", provider.pk)


def without_times(said: Said) -> Any:
    return {k: v for k, v in said.body.items() if k not in ("created_at", "updated_at")}


def test_a_config_is_set_replaced_read_and_deleted(ours: Caller) -> None:
    text, letter = sms(ours.tenant), mail(ours.tenant)
    body = {
        "providers": {"email": shown(letter), "sms": shown(text)},
        "from_email": "Hello@Sender.example",
        "from_name": "Acme, Inc.",
        "from_phone": "+1 (415) 555-0100",
        "locale": "DE_at",
    }
    said = ours.put(ACME, body)
    assert (said.status, said.headers["Location"]) == (201, ACME)
    assert without_times(said) == {
        "scope": "org",
        "scope_id": "acme",
        "missing_providers": [],
        **body,
        "from_email": "Hello@sender.example",
        "from_phone": "+14155550100",
        "locale": "de-AT",
    }
    assert ours.get(ACME).body == said.body
    (found,) = resolve(ours.tenant.pk, "email", [(None, "acme")])
    assert (found.provider_id, found.sender_name) == (letter.pk, "Acme, Inc.")

    again = ours.put(ACME, {"locale": "fr"})
    assert (again.status, "Location" in again.headers) == (200, False)
    assert without_times(again) == {"scope": "org", "scope_id": "acme", **EMPTY, "locale": "fr"}
    assert again.body["created_at"] == said.body["created_at"]
    assert again.body["updated_at"] > said.body["updated_at"]
    assert SenderConfig.objects.count() == 1

    assert ours.delete(ACME).status == 204
    assert ours.delete(ACME).status == 404
    assert ours.get(ACME).status == 404


def test_the_apps_has_no_id(ours: Caller) -> None:
    said = ours.put(f"{LIST}/app", {})
    assert (said.status, without_times(said)) == (201, {"scope": "app", "scope_id": None, **EMPTY})
    assert said.headers["Location"] == f"{LIST}/app"
    assert ours.get(f"{LIST}/app").body == said.body
    assert ours.put(f"{LIST}/app", {"locale": "en"}).status == 200
    assert ours.delete(f"{LIST}/app").status == 204
    assert ours.get(f"{LIST}/app").status == 404


@pytest.mark.parametrize("path", ["tenant/x", "app/x", "user", "org", "user/", "Org/acme", "x"])
def test_other_addresses_are_not_there(ours: Caller, path: str) -> None:
    for ask in (ours.get, ours.delete):
        assert ask(f"{LIST}/{path}").status == 404
    assert ours.put(f"{LIST}/{path}", {}).status == 404
    assert not SenderConfig.objects.exists()


@pytest.mark.parametrize(
    "scope_id", ["a", "x" * 256, "a/b", "/", "ä b?c#d%", "..", "app", "😀" * 128, "' OR 1=1"]
)
def test_an_id_is_whatever_the_tenant_says(ours: Caller, scope_id: str) -> None:
    path = f"{LIST}/user/{quote(scope_id, safe='')}"
    said = ours.put(path, {"locale": "de"})
    assert (said.status, said.body["scope_id"]) == (201, scope_id)
    assert ours.get(said.headers["Location"]).body == said.body
    assert ours.get(path).body == said.body
    assert ours.delete(path).status == 204


@pytest.mark.parametrize("scope_id", ["x" * 257, "a\0b", "a\tb", "\u2028"])
def test_an_id_that_none_can_have(ours: Caller, scope_id: str) -> None:
    path = f"{LIST}/user/{quote(scope_id, safe='')}"
    said = ours.put(path, {})
    assert (said.status, [pointer for pointer, _ in said.errors]) == (422, ["/scope_id"])
    assert ours.get(path).status == 404
    assert ours.delete(path).status == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"from_email": "nobody"}, "/from_email"),
        ({"from_email": "Acme <a@b.example>"}, "/from_email"),
        ({"from_email": "a@b.example\r\nBcc: c@d.example"}, "/from_email"),
        ({"from_email": ""}, "/from_email"),
        ({"from_email": f"{'a' * 300}@b.example"}, "/from_email"),
        ({"from_name": ""}, "/from_name"),
        ({"from_name": "  "}, "/from_name"),
        ({"from_name": "x" * 201}, "/from_name"),
        ({"from_name": "Acme\r\nBcc: eve@example.com"}, "/from_name"),
        ({"from_name": "=?utf-8?q?a=0D=0AX:_b?="}, "/from_name"),
        ({"from_name": 1}, "/from_name"),
        ({"from_phone": "4155550100"}, "/from_phone"),
        ({"from_phone": "Acme"}, "/from_phone"),
        ({"from_phone": "+999"}, "/from_phone"),
        ({"locale": "german"}, "/locale"),
        ({"locale": "de-"}, "/locale"),
        ({"locale": "x" * 36}, "/locale"),
        ({"locale": ""}, "/locale"),
        ({"providers": ["prv_1"]}, "/providers"),
        ({"providers": None}, "/providers"),
        ({"providers": {"email": 1}}, "/providers/email"),
        ({"providers": {"email": None}}, "/providers/email"),
        ({"providers": {"email": "prv_1"}}, "/providers/email"),
        ({"providers": {"e/mail": "prv_" + "0" * 26}}, "/providers/e~1mail"),
        ({"scope": "app"}, "/scope"),
        ({"tenant_id": "tnt_1"}, "/tenant_id"),
        ({"mode": "test"}, "/mode"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(
    ours: Caller, body: dict[str, Any], pointer: str
) -> None:
    ours.put(ACME, {"locale": "de"})
    said = ours.put(ACME, body)
    assert (said.status, [found for found, _ in said.errors]) == (422, [pointer])
    assert ours.get(ACME).body["locale"] == "de"


class TestProviders:
    def test_only_its_own_of_the_channel_can_be_named(self, ours: Caller, theirs: Caller) -> None:
        system = make_tenant()
        foreign, platform = mail(theirs.tenant), mail(system, shared=True)
        text = sms(ours.tenant)
        unknown = ids.show("prv", ids.new())
        said = [
            ours.put(ACME, {"providers": {"email": key}})
            for key in (unknown, shown(foreign), shown(platform), shown(text))
        ]
        assert {s.status for s in said} == {422}
        assert all(s.body["errors"] == said[0].body["errors"] for s in said)
        assert said[0].errors == [("/providers/email", "not_an_option")]
        both = ours.put(ACME, {"providers": {"email": shown(text), "sms": unknown}})
        assert [pointer for pointer, _ in both.errors] == ["/providers/email", "/providers/sms"]
        assert not SenderConfig.objects.exists()

    def test_a_disabled_one_can_be_named(self, ours: Caller) -> None:
        row = mail(ours.tenant, enabled=False)
        assert ours.put(ACME, {"providers": {"email": shown(row)}}).status == 201

    def test_a_deleted_one_is_said_to_be_missing_and_harms_nothing(self, ours: Caller) -> None:
        gone, stays = mail(ours.tenant), mail(ours.tenant)
        ours.put(ACME, {"providers": {"email": shown(gone)}, "locale": "de"})
        ours.put(f"{LIST}/app", {"providers": {"email": shown(stays)}})
        assert ours.delete(f"/v1/providers/{shown(gone)}").status == 204
        said = ours.get(ACME).body
        assert said["providers"] == {"email": shown(gone)}
        assert said["missing_providers"] == ["email"]
        assert [row["missing_providers"] for row in ours.get(LIST).body["data"]] == [[], ["email"]]
        (found,) = resolve(ours.tenant.pk, "email", [(None, "acme")])
        assert (found.provider_id, found.sender_scope, found.locale) == (stays.pk, "app", "de")


class TestSenders:
    def test_the_named_provider_must_allow_it(self, ours: Caller) -> None:
        own, other = mail(ours.tenant), mail(ours.tenant, "@brand.example")
        body = {"providers": {"email": shown(own)}, "from_email": "news@brand.example"}
        assert ours.put(ACME, body).errors == [("/from_email", "sender_not_allowed")]
        body["providers"] = {"email": shown(other)}
        assert ours.put(ACME, body).status == 201

    def test_without_one_any_of_its_providers_must(self, ours: Caller) -> None:
        mail(ours.tenant)
        mail(ours.tenant, "@brand.example")
        mail(ours.tenant, "@off.example", enabled=False)
        assert ours.put(ACME, {"from_email": "news@brand.example"}).status == 201
        for sender in ("news@other.example", "news@off.example"):
            said = ours.put(ACME, {"from_email": sender})
            assert said.errors == [("/from_email", "sender_not_allowed")]

    def test_without_any_provider_nobody_can_say_so_yet(self, ours: Caller) -> None:
        assert ours.put(ACME, {"from_email": "a@b.example"}).status == 201

    def test_the_platforms_may_allow_it(self, ours: Caller) -> None:
        mail(make_tenant(), "@shared.example", shared=True)
        assert ours.put(ACME, {"from_email": "acme@shared.example"}).status == 201
        assert ours.put(ACME, {"from_email": "acme@other.example"}).status == 422

    def test_a_number_is_checked_alike(self, ours: Caller) -> None:
        sms(ours.tenant)
        assert ours.put(ACME, {"from_phone": "+14155550100"}).status == 201
        said = ours.put(ACME, {"from_phone": "+14155550199"})
        assert said.errors == [("/from_phone", "sender_not_allowed")]

    def test_where_domains_must_be_verified_it_must_be_of_one(
        self, ours: Caller, theirs: Caller, settings: Any
    ) -> None:
        settings.VERIFIED_DOMAINS = True
        body = {"from_email": "a@mail.acme.example", "from_phone": "+14155550100"}
        SenderDomain.objects.create(
            tenant=theirs.tenant,
            domain="acme.example",
            token="t",
            verified_at="2026-01-01T00:00:00Z",
        )
        said = ours.put(ACME, body)
        assert said.errors == [("/from_email", "unverified_domain")]
        assert "mail.acme.example" in said.body["errors"][0]["detail"]
        assert theirs.put(ACME, body).status == 201
        settings.VERIFIED_DOMAINS = False
        assert ours.put(ACME, body).status == 201


class TestList:
    def test_it_is_in_pages_newest_first_by_scope(
        self, ours: Caller, django_assert_max_num_queries: Any
    ) -> None:
        row = mail(ours.tenant)
        for n in range(5):
            ours.put(f"{LIST}/user/u{n}", {"providers": {"email": shown(row)}})
        ours.put(f"{LIST}/app", {"locale": "de"})
        assert len(ours.get(LIST).body["data"]) == 6
        with django_assert_max_num_queries(3):
            first = ours.get(f"{LIST}?scope=user&limit=3").body
        assert [c["scope_id"] for c in first["data"]] == ["u4", "u3", "u2"]
        rest = ours.get(f"{LIST}?scope=user&limit=3&cursor={first['next_cursor']}").body
        assert [c["scope_id"] for c in rest["data"]] == ["u1", "u0"]
        assert rest["has_more"] is False
        said = ours.get(f"{LIST}?limit=3&cursor={first['next_cursor']}")
        assert (said.status, said.errors) == (400, [("/cursor", "invalid")])

    def test_other_filters_are_refused(self, ours: Caller) -> None:
        assert ours.get(f"{LIST}?scope=tenant").errors == [("/scope", "not_an_option")]
        assert ours.get(f"{LIST}?scope_id=u1").errors == [("/scope_id", "unknown_parameter")]


def test_all_modes_have_the_same(ours: Caller) -> None:
    ours.put(ACME, {"locale": "de"})
    tested = caller(ours.tenant, mode="test")
    assert tested.get(ACME).body == ours.get(ACME).body


def test_a_stranger_sees_and_changes_only_its_own(ours: Caller, theirs: Caller) -> None:
    ours.put(ACME, {"locale": "de"})
    assert theirs.get(ACME).status == 404
    assert theirs.delete(ACME).status == 404
    assert theirs.get(LIST).body["data"] == []
    assert theirs.put(ACME, {"locale": "fr"}).status == 201
    assert ours.get(ACME).body["locale"] == "de"


def test_reading_and_writing_are_scopes_of_providers(ours: Caller) -> None:
    reads = caller(ours.tenant, scopes=["providers:read"])
    writes = caller(ours.tenant, scopes=["providers:write"])
    assert writes.put(ACME, {}).status == 201
    assert reads.put(ACME, {}).status == 403
    assert reads.get(ACME).status == 200
    assert writes.get(ACME).status == 403
    assert writes.delete(ACME).status == 204


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_one(ours: Caller) -> None:
    said = together(4, lambda n: ours.put(ACME, {"from_name": f"Name {n}"}))
    assert sorted(s.status for s in said) == [200, 200, 200, 201]
    assert SenderConfig.objects.count() == 1
