"""Whom a tenant must not write to: recognised however spelt, respected by accept, shown, changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test.utils import override_settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from delivery.audit import audit
from hiram.lib import ids
from notifications.models import Event, Lane, Notification, OutboxMessage, Suppression
from notifications.suppression import digest, normalised, suppress
from tenants.models import Tenant
from tests.factories import TenantFactory, email, post
from tests.notifications.calls import Api, api
from tests.notifications.test_round_trips import round_trips
from tests.tenancy import together

LIST = "/v1/suppressions"
ADA = "ada@recipient.example"
SAME = [
    "ada@recipient.example", "  ada@recipient.example\t", "ADA@recipient.example",
    "ada@RECIPIENT.Example", "ada@recipient.example.",
]  # fmt: skip
OTHERS = [
    "ada+x@recipient.example", "a.da@recipient.example", "ada@sub.recipient.example",
    "ada@recipient.example.org", "ada", "",
]  # fmt: skip


class TestNormalised:
    @pytest.mark.parametrize("text", SAME)
    def test_one_mailbox_has_one_spelling(self, text: str) -> None:
        assert normalised(text) == ADA

    @pytest.mark.parametrize("text", OTHERS)
    def test_another_mailbox_has_another(self, text: str) -> None:
        assert normalised(text) != ADA

    def test_a_domain_is_the_same_in_both_its_forms(self) -> None:
        ascii_form = "ada@xn--bcher-kva.example"
        for text in ("ada@bücher.example", "ada@BÜCHER.example", "ada@bu\u0308cher.example"):
            assert normalised(text) == ascii_form == normalised(ascii_form.upper())

    @given(st.text(max_size=60))
    def test_it_raises_nothing_and_stays(self, text: str) -> None:
        assert normalised(normalised(text)) == normalised(text)

    def test_a_digest_is_one_tenants_and_one_secrets(self) -> None:
        tenant = ids.new()
        own = digest(tenant, "email", ADA)
        assert len(own) == 32
        assert own == digest(tenant, "email", "ADA@recipient.example")
        others = {digest(ids.new(), "email", ADA), digest(tenant, "sms", ADA)}
        with override_settings(SECRET_KEY="x" * 50):
            others.add(digest(tenant, "email", ADA))
        assert len(others | {own}) == 4


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def live(tenant: Tenant) -> Api:
    return api(tenant)


def types(notification: Notification) -> list[str]:
    rows = Event.objects.filter(notification_id=notification.pk).order_by("transaction", "id")
    return [event.type.removeprefix("notification.") for event in rows]


class TestAccept:
    def test_it_is_recorded_and_nothing_is_owed(self, tenant: Tenant) -> None:
        suppress(tenant.pk, "live", "email", ADA, "complaint")
        [found] = post(tenant, email(recipient="ADA@Recipient.example"))
        assert (found.status, found.reason) == ("suppressed", "suppression:complaint")
        assert found.settled_at is not None
        assert found.settled_at >= found.created_at
        assert not OutboxMessage.objects.exists()
        assert not Lane.objects.exists()
        assert types(found) == ["accepted", "suppressed"]
        assert Event.objects.get(type="notification.suppressed").data == {
            "reason": "suppression:complaint"
        }
        assert audit().broken == []

    def test_the_answer_is_202_and_the_record_says_it(self, tenant: Tenant, live: Api) -> None:
        suppress(tenant.pk, "live", "email", ADA, "hard_bounce")
        said = live.post(email())
        assert said.status == 202
        shown = live.one(said.body["id"])
        assert (shown["status"], shown["reason"]) == ("suppressed", "suppression:hard_bounce")
        assert shown["attempts"] == []

    def test_waiting_for_it_ends_at_once(self, tenant: Tenant, live: Api) -> None:
        suppress(tenant.pk, "live", "email", ADA, "manual")
        said = live.post(email(), Prefer="wait=20")
        assert (said.status, said.body["status"]) == (200, "suppressed")

    def test_a_scheduled_one_is_not_scheduled(self, tenant: Tenant) -> None:
        suppress(tenant.pk, "live", "email", ADA, "manual")
        later = (timezone.now() + timedelta(hours=1)).isoformat()
        [found] = post(tenant, email(scheduled_at=later))
        assert found.status == "suppressed"
        assert types(found) == ["accepted", "suppressed"]

    def test_of_a_batch_only_the_suppressed_ones(self, tenant: Tenant) -> None:
        suppress(tenant.pk, "live", "email", ADA, "manual")
        found = post(tenant, email(), email(recipient="bob@recipient.example"), email())
        assert [row.status for row in found] == ["suppressed", "accepted", "suppressed"]
        assert OutboxMessage.objects.get().pk == found[1].pk

    def test_the_next_in_order_does_not_wait_for_it(self, tenant: Tenant) -> None:
        suppress(tenant.pk, "live", "email", ADA, "manual")
        bob = {"recipient": "bob@recipient.example", "ordering_key": "k"}
        _, first, second = post(tenant, email(ordering_key="k"), email(**bob), email(**bob))
        rows = OutboxMessage.objects.in_bulk()
        assert rows[first.pk].due_at < timezone.now()
        assert rows[second.pk].due_at == rows[second.pk].expires_at

    def test_its_key_is_remembered(self, tenant: Tenant, live: Api) -> None:
        suppress(tenant.pk, "live", "email", ADA, "manual")
        first, again = (live.post(email(), Idempotency_Key="k") for _ in range(2))
        assert first.body == again.body
        assert again.headers["Idempotency-Replayed"] == "true"
        assert Notification.objects.count() == 1

    def test_others_are_not_concerned(self, tenant: Tenant) -> None:
        suppress(tenant.pk, "test", "email", ADA, "manual")
        suppress(TenantFactory.create().pk, "live", "email", ADA, "manual")
        suppress(tenant.pk, "live", "sms", ADA, "manual")
        [found] = post(tenant)
        assert found.status == "accepted"

    def test_it_costs_no_round_trip(self, tenant: Tenant, live: Api) -> None:
        suppress(tenant.pk, "live", "email", ADA, "manual")
        for _ in range(6):  # until every statement is prepared
            live.post(email())
        assert round_trips(lambda: live.post(email())) == 2


def test_eight_who_suppress_at_once_make_one_row(tenant: Tenant) -> None:
    found = together(8, lambda i: suppress(tenant.pk, "live", "email", ADA, "manual"))
    assert [is_new for _, is_new in found].count(True) == 1
    assert Suppression.objects.count() == 1


class TestApi:
    def test_from_the_first_to_the_last(self, tenant: Tenant, live: Api) -> None:
        body = {"channel": "email", "address": "Ada@Recipient.example"}
        made = live.post(body, LIST)
        assert made.status == 201
        assert {k: v for k, v in made.body.items() if k not in {"id", "created_at"}} == {
            "channel": "email", "address": "Ada@recipient.example", "category": None,
            "reason": "manual", "source": "api", "expires_at": None,
        }  # fmt: skip
        again = live.post(body | {"address": ADA}, LIST)
        assert (again.status, again.body) == (200, made.body)
        assert live.get(LIST).body["data"] == [made.body]
        assert live.post(email()).status == 202
        assert Notification.objects.get().status == "suppressed"
        assert live.ask("DELETE", f"{LIST}/{made.body['id']}").status == 204
        assert live.ask("DELETE", f"{LIST}/{made.body['id']}").code == "not-found"
        assert live.get(LIST).body["data"] == []
        [found] = post(tenant)
        assert found.status == "accepted"

    def test_an_erased_address_is_recognised_and_not_told(self, live: Api) -> None:
        live.post({"channel": "email", "address": ADA}, LIST)
        Suppression.objects.update(recipient=None)
        row = Suppression.objects.values().get()
        assert b"ada" not in bytes(row["address"])
        assert "ada" not in str({k: v for k, v in row.items() if k != "address"})
        again = live.post({"channel": "email", "address": ADA}, LIST)
        assert (again.status, again.body["address"]) == (200, None)
        [found] = live.get(f"{LIST}?channel=email&address=ADA%40recipient.example").body["data"]
        assert found["address"] is None

    def test_the_first_reason_stays(self, tenant: Tenant, live: Api) -> None:
        suppress(tenant.pk, "live", "email", ADA, "complaint")
        said = live.post({"channel": "email", "address": ADA}, LIST)
        assert (said.status, said.body["reason"]) == (200, "complaint")

    def test_filters_and_pages(self, tenant: Tenant, live: Api) -> None:
        suppress(tenant.pk, "live", "email", ADA, "complaint")
        suppress(tenant.pk, "live", "sms", "+14155550100", "manual")
        suppress(tenant.pk, "live", "email", "bob@recipient.example", "hard_bounce")
        reasons = {
            "": ["hard_bounce", "manual", "complaint"], "channel=email": ["hard_bounce", "complaint"],
            "reason=manual": ["manual"], "channel=email&address=ADA%40recipient.example": ["complaint"],
            "channel=sms&address=%2B1+415+555+0100": ["manual"],
            "channel=email&address=eve%40recipient.example": [],
        }  # fmt: skip
        for query, wanted in reasons.items():
            said = live.get(f"{LIST}?{query}")
            assert [row["reason"] for row in said.body["data"]] == wanted, query
        first = live.get(f"{LIST}?limit=2")
        rest = live.get(f"{LIST}?limit=2&cursor={first.body['next_cursor']}")
        assert [row["reason"] for row in rest.body["data"]] == ["complaint"]
        assert not rest.body["has_more"]

    @pytest.mark.parametrize(
        ("query", "errors"),
        [
            ("channel=fax", [("/channel", "not_an_option")]),
            ("reason=whim", [("/reason", "not_an_option")]),
            ("address=a%40x.org", [("/channel", "required")]),
            ("channel=sms&address=a%40x.org", [("/address", "invalid")]),
            ("category=gossip", [("/category", "not_an_option")]),
            ("recipient=a%40x.org", [("/recipient", "unknown_parameter")]),
            ("mode=test", [("/mode", "unknown_parameter")]),
        ],
    )
    def test_queries_that_cannot_be(self, live: Api, query: str, errors: Any) -> None:
        said = live.get(f"{LIST}?{query}")
        assert (said.code, said.errors) == ("bad-query", errors)

    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({}, [("/channel", "required"), ("/address", "required")]),
            ({"channel": "fax", "address": "1"}, [("/channel", "not_an_option")]),
            ({"channel": "email", "address": "nobody"}, [("/address", "invalid")]),
            ({"channel": "sms", "address": ADA}, [("/address", "invalid")]),
            ({"channel": "email", "address": ADA, "reason": "x"}, [("/reason", "not_an_option")]),
            ({"channel": "email", "address": ADA, "source": "x"}, [("/source", "unknown_field")]),
            ({"channel": "email", "address": ADA, "category": "x"}, [("/category", "not_an_option")]),
            ({"channel": "email", "address": ADA, "expires_at": "2020-01-01T00:00:00Z"}, [("/expires_at", "in_the_past")]),
        ],
    )  # fmt: skip
    def test_bodies_that_cannot_be(self, live: Api, body: Any, errors: Any) -> None:
        said = live.post(body, LIST)
        assert (said.code, said.errors) == ("invalid", errors)
        assert not Suppression.objects.exists()

    def test_each_mode_has_its_own(self, tenant: Tenant, live: Api) -> None:
        made = live.post({"channel": "email", "address": ADA}, LIST).body["id"]
        tested = api(tenant, "test")
        assert tested.get(LIST).body["data"] == []
        assert tested.ask("DELETE", f"{LIST}/{made}").code == "not-found"
        stranger = api(TenantFactory.create())
        assert stranger.ask("DELETE", f"{LIST}/{made}").code == "not-found"
        assert Suppression.objects.count() == 1

    def test_a_malformed_id(self, live: Api) -> None:
        for shown in ("x", "ntf_" + "0" * 26, "sup_" + "0" * 25, "sup_" + "0" * 26):
            assert live.ask("DELETE", f"{LIST}/{shown}").code == "not-found"

    def test_what_is_owed_to_it_ends(self, tenant: Tenant, live: Api) -> None:
        later = (timezone.now() + timedelta(hours=1)).isoformat()
        ada, odd, bob, marketing = post(
            tenant, email(scheduled_at=later), email(recipient="ADA@recipient.example"),
            email(recipient="bob@recipient.example"), email(category="marketing"),
        )  # fmt: skip
        made = {"channel": "email", "address": ADA, "category": "marketing"}
        assert live.post(made, LIST).status == 201
        assert self.states(ada, odd, bob, marketing) == [
            "scheduled", "accepted", "accepted", "suppressed",
        ]  # fmt: skip
        assert live.post(made | {"category": None}, LIST).status == 201
        assert self.states(ada, odd, bob) == ["suppressed", "suppressed", "accepted"]
        assert Notification.objects.get(pk=odd.pk).reason == "suppression:manual"
        assert Suppression.objects.count() == 2

    def states(self, *rows: Notification) -> list[str]:
        found = Notification.objects.in_bulk([row.pk for row in rows])
        return [found[row.pk].status for row in rows]

    def test_one_category_alone(self, tenant: Tenant, live: Api) -> None:
        live.post({"channel": "email", "address": ADA, "category": "marketing"}, LIST)
        news, order = post(tenant, email(category="marketing"), email())
        assert (news.status, news.reason) == ("suppressed", "suppression:manual")
        assert order.status == "accepted"

    def test_what_has_expired_is_as_if_it_was_not_there(self, tenant: Tenant, live: Api) -> None:
        soon = (timezone.now() + timedelta(hours=1)).isoformat()
        first = live.post({"channel": "email", "address": ADA, "expires_at": soon}, LIST)
        Suppression.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        [found] = post(tenant)
        assert found.status == "accepted"
        body = {"channel": "email", "address": "ADA@recipient.example", "reason": "complaint"}
        again = live.post(body, LIST)
        assert again.status == 201
        assert again.body["id"] != first.body["id"]
        assert (again.body["address"], again.body["reason"]) == (
            "ADA@recipient.example", "complaint",
        )  # fmt: skip
        assert again.body["created_at"] > first.body["created_at"]
        assert Suppression.objects.count() == 1

    def test_what_lasts_longer_stays(self, tenant: Tenant, live: Api) -> None:
        def add(reason: str, hours: int | None) -> tuple[int, str]:
            until = hours and (timezone.now() + timedelta(hours=hours)).isoformat()
            body = {"channel": "email", "address": ADA, "reason": reason, "expires_at": until}
            said = live.post(body, LIST)
            return said.status, said.body["reason"]

        assert add("manual", 2) == (201, "manual")
        assert add("unsubscribed", 1) == (200, "manual")
        assert add("complaint", 3) == (200, "complaint")
        assert add("hard_bounce", None) == (200, "hard_bounce")
        assert add("manual", 9) == (200, "hard_bounce")
        assert Suppression.objects.get().expires_at is None
