"""Consents: receipts that stay, and what they mean from then on."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from notifications.accept import Owner
from notifications.models import Consent, Preference, Subscriber, Template
from notifications.preferences import change, wishes
from tenants.models import CategoryPolicy, Tenant
from tests.factories import TenantFactory, email, make_user, to_user
from tests.notifications.calls import Api, Said, api

pytestmark = pytest.mark.django_db

PATH = "/v1/users/u1/consents"
YES: dict[str, Any] = {
    "category": "marketing", "channel": "email", "granted": True, "text": "Send me offers.",
    "version": "2026-01", "source": "signup form",
}  # fmt: skip
NO = YES | {"granted": False, "text": ""}


@pytest.fixture
def user(tenant: Tenant) -> Subscriber:
    return make_user(tenant, addresses={"email": "ana@x.example"})


def post(caller: Api, **fields: Any) -> Said:
    return caller.post(YES | fields, PATH)


def categories(tenant: Tenant) -> Any:
    return wishes(Owner(tenant.pk, "live"), "u1").categories


class TestReceipts:
    def test_what_was_given_is_kept_with_the_users_address(
        self, live: Api, user: Subscriber
    ) -> None:
        said = post(live)
        assert said.status == 201
        assert said.body["id"].startswith("cns_")
        expected = YES | {"user_id": "u1", "address": "ana@x.example"}
        assert {k: v for k, v in said.body.items() if k not in {"id", "created_at"}} == expected
        assert live.get(PATH).body["data"] == [said.body]

    def test_another_address_is_kept_as_requests_take_it(
        self, live: Api, user: Subscriber
    ) -> None:
        assert post(live, address="Bob@X.example").body["address"] == "Bob@x.example"
        assert post(live, channel="sms").body["address"] is None
        assert (
            post(live, channel="sms", address="+1 415 555 0100").body["address"] == "+14155550100"
        )
        assert post(live, address="nobody").errors == [("/address", "invalid")]

    def test_pages_and_filters(self, live: Api, user: Subscriber) -> None:
        for fields in ({}, {"channel": "sms"}, {"category": "operational"}, {"granted": False}):
            post(live, **fields)

        def listed(query: str) -> list[tuple[str, str, bool]]:
            rows = live.get(f"{PATH}?{query}").body["data"]
            return [(row["category"], row["channel"], row["granted"]) for row in rows]

        assert len(listed("")) == 4
        assert listed("channel=sms") == [("marketing", "sms", True)]
        assert listed("category=marketing&channel=email") == [
            ("marketing", "email", False), ("marketing", "email", True),
        ]  # fmt: skip
        first = live.get(f"{PATH}?limit=3")
        rest = live.get(f"{PATH}?limit=3&cursor={first.body['next_cursor']}")
        assert len(rest.body["data"]) == 1
        assert live.get(f"{PATH}?channel=fax").errors == [("/channel", "not_an_option")]

    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({}, [("/category", "required"), ("/channel", "required"), ("/granted", "required")]),
            (YES | {"granted": "yes"}, [("/granted", "type")]),
            (YES | {"category": "gossip"}, [("/category", "not_an_option")]),
            (YES | {"channel": "fax"}, [("/channel", "not_an_option")]),
            (YES | {"text": "x" * 10_001}, [("/text", "too_long")]),
            (YES | {"user_id": "u2"}, [("/user_id", "unknown_field")]),
        ],
    )
    def test_what_cannot_be(self, live: Api, user: Subscriber, body: Any, errors: Any) -> None:
        assert live.post(body, PATH).errors == errors
        assert not Consent.objects.exists()

    def test_strangers_other_modes_and_scopes(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        post(live)
        for stranger in (api(TenantFactory.create()), api(tenant, "test")):
            assert stranger.get(PATH).code == post(stranger).code == "not-found"
        reader = api(tenant, scopes=("users:read",))
        writer = api(tenant, scopes=("users:write",))
        assert (reader.get(PATH).status, writer.get(PATH).status) == (200, 403)
        assert (post(reader).status, post(writer).status) == (403, 201)

    @pytest.mark.parametrize(
        "change",
        [{"text": "else"}, {"granted": False}, {"user_id": "u2"}, {"address": "b@x.example"},
         {"version": "2"}, {"created_at": "2020-01-01T00:00:00Z"}, {"channel": "sms"}],
        ids=lambda change: next(iter(change)),
    )  # fmt: skip
    def test_the_database_refuses_a_change(
        self, live: Api, user: Subscriber, change: dict[str, Any]
    ) -> None:
        post(live)
        with pytest.raises(IntegrityError), transaction.atomic():
            Consent.objects.update(**change)

    def test_only_what_names_nobody_is_deleted(self, live: Api, user: Subscriber) -> None:
        post(live)
        with pytest.raises(IntegrityError), transaction.atomic():
            Consent.objects.all().delete()
        assert Consent.objects.update(address=None) == 1
        with pytest.raises(IntegrityError), transaction.atomic():
            Consent.objects.all().delete()
        with pytest.raises(IntegrityError), transaction.atomic():
            Consent.objects.update(address="ana@x.example")
        assert Consent.objects.update(user_id=None) == 1
        assert Consent.objects.get().text == YES["text"]
        Consent.objects.all().delete()
        assert not Consent.objects.exists()


class TestMeaning:
    def test_a_grant_is_a_yes_and_a_withdrawal_takes_it_back(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        post(live)
        post(live, category="operational", channel="sms")
        assert categories(tenant) == {"marketing": {"email": True}, "operational": {"sms": True}}
        rows = to_user(tenant, "u1", email(category="marketing"), email())
        post(live, granted=False)
        assert categories(tenant) == {"operational": {"sms": True}}
        for row in rows:
            row.refresh_from_db()
        assert [(row.status, row.reason) for row in rows] == [
            ("suppressed", "consent"), ("accepted", None),
        ]  # fmt: skip

    def test_elsewhere_a_withdrawal_is_a_no(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        [row] = to_user(tenant, "u1", email())
        post(live, category="transactional", granted=False)
        assert categories(tenant) == {"transactional": {"email": False}}
        row.refresh_from_db()
        assert (row.status, row.reason) == ("suppressed", "preference")

    def test_it_takes_back_a_yes_to_the_categorys_templates(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        for slug, category in (("offers", "marketing"), ("invoice", "transactional")):
            Template.objects.create(
                tenant=tenant, slug=slug, channel="email", name=slug, category=category
            )
        yes = {"offers": {"email": True, "sms": True}, "invoice": {"email": True}}
        change(Owner(tenant.pk, "live"), "u1", {"templates": yes})
        [row] = to_user(tenant, "u1", email(category="marketing"), template="offers")
        post(live, granted=False)
        assert wishes(Owner(tenant.pk, "live"), "u1").templates == {
            "offers": {"sms": True}, "invoice": {"email": True},
        }  # fmt: skip
        row.refresh_from_db()
        assert (row.status, row.reason) == ("suppressed", "consent")

    def test_from_what_is_required_nothing_is_withdrawn(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        CategoryPolicy.objects.create(tenant=tenant, category="operational", required=True)
        said = post(live, category="operational", granted=False)
        assert said.errors == [("/category", "required_category")]
        assert not Consent.objects.exists()
        assert not Preference.objects.exists()
        assert post(live, category="operational").status == 201
