"""Sends by a template, by a sender config, at a user's time: what accept makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifications.models import Content, Event, Notification, OutboxMessage, Preference
from notifications.rendering import Allowance
from tenants.models import SenderConfig, Tenant
from tests.factories import ProviderFactory, TenantFactory, email
from tests.notifications.calls import Api, Said, api
from tests.notifications.catalog.texts import DATA, body, made, sms
from tests.notifications.test_notify import NOTIFY, rejected, told
from tests.notifications.test_round_trips import round_trips
from tests.notifications.test_users import put
from tests.tenancy import Caller

pytestmark = pytest.mark.django_db

ANA = {"addresses": {"email": "ana@x.example", "sms": "+14155550100"}, "locale": "de-AT"}


def templates(live: Api, tenant: Tenant, *bodies: Any) -> None:
    for one in bodies or (body(),):
        made(Caller(tenant, live.key), one)


def send(live: Api, **fields: Any) -> Said:
    given = {
        "channel": "email",
        "recipient": "b@x.example",
        "template": "auth.reset",
        "data": DATA,
    }
    return live.post({k: v for k, v in (given | fields).items() if v is not None})


def texts() -> list[tuple[str, str]]:
    rows = Content.objects.order_by("id").values_list("payload", flat=True)
    return [(row.get("subject", ""), row["text"]) for row in rows]


class TestSend:
    def test_the_template_speaks(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant, body(category="operational"))
        one = live.one(send(live, data=DATA | {"user_name": "Bo"}).body["id"])
        names = ("subject", "template", "template_version", "locale", "category")
        assert [one[name] for name in names] == [
            "Reset it, Bo", "auth.reset", 1, "en", "operational",
        ]  # fmt: skip
        [content] = Content.objects.values_list("payload", flat=True)
        assert content["text"] == f"Hello Bo: {DATA['reset_url']}"
        assert "Bo" in content["html"]
        assert live.listed("template=auth.reset") == [one["id"]]
        assert live.listed("template=other") == []

    def test_a_default_appears(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant)
        send(live)
        assert texts()[0][0] == "Reset it, there"

    def test_the_locale_is_the_one_asked_for_or_the_users(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant)
        put(live, body=ANA)
        shown = [
            live.one(send(live, **fields).body["id"])["locale"]
            for fields in (
                {"locale": "de_at"}, {"locale": "fr"}, {"user_id": "u1"},
                {"user_id": "u1", "locale": "en"}, {"user_id": "u1", "recipient": None},
            )
        ]  # fmt: skip
        assert shown == ["de", "en", "de", "en", "de"]

    @pytest.mark.parametrize(
        ("fields", "errors"),
        [
            ({"template": "none"}, [("/template", "unknown_template")]),
            ({"template": "x" * 101}, [("/template", "unknown_template")]),
            ({"template": ""}, [("/template", "unknown_template")]),
            ({"template": 1}, [("/subject", "required"), ("/template", "type")]),
            ({"channel": "sms", "recipient": "+14155550100"}, [("/template", "unknown_template")]),
            ({"data": {}}, [("/data/reset_url", "required")]),
            ({"data": {"reset_url": 1}}, [("/data/reset_url", "type")]),
            ({"data": []}, None),
            ({"locale": "german"}, [("/locale", "invalid")]),
            ({"subject": "x"}, [("/subject", "not_with_template")]),
            ({"html": "x", "body": "y"}, None),
            ({"recipient": "no"}, [("/recipient", "invalid")]),
        ],
    )
    def test_what_does_not_fit_is_named(
        self, live: Api, tenant: Tenant, fields: Any, errors: Any
    ) -> None:
        templates(live, tenant)
        said = send(live, **fields)
        assert said.status == 422
        assert errors is None or sorted(said.errors) == errors
        assert not Notification.objects.exists()

    def test_data_needs_a_template(self, live: Api) -> None:
        for fields in (dict[str, Any](data={}), {"locale": "de"}):
            assert live.post(email(**fields)).errors == [("", "invalid")]

    def test_a_disabled_one_says_why(self, live: Api, tenant: Tenant) -> None:
        caller = Caller(tenant, live.key)
        shown = made(caller)
        caller.patch(
            f"/v1/templates/{shown}", {"enabled": False, "disabled_reason": "Wrong price"}
        )
        said = send(live)
        assert said.errors == [("/template", "template_disabled")]
        assert "Wrong price" in said.details[0]

    def test_what_is_published_holds_at_once(self, live: Api, tenant: Tenant) -> None:
        caller = Caller(tenant, live.key)
        shown = made(caller)
        send(live)
        changed = {"en": {"subject": "Anew", "text": "{{ reset_url }}"}}
        caller.post(f"/v1/templates/{shown}/versions", {"locales": changed})
        send(live)
        assert caller.post(f"/v1/templates/{shown}/publish", {"version": 2}).status == 200
        send(live)
        assert [subject for subject, _ in texts()] == ["Reset it, there"] * 2 + ["Anew"]

    def test_another_tenants_is_unknown(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant)
        other = api(TenantFactory.create())
        assert send(other).errors == [("/template", "unknown_template")]

    def test_a_batch_is_pointed_into(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant)
        good = {"channel": "email", "recipient": "b@x.example", "template": "auth.reset"}
        said = live.batch(good | {"data": DATA}, good, good | {"template": "x"}, mode="partial")
        assert [item.get("id") is not None for item in said.body["data"]] == [True, False, False]
        pointers = [item["error"]["errors"][0]["pointer"] for item in said.body["data"][1:]]
        assert pointers == ["/notifications/1/data/reset_url", "/notifications/2/template"]

    def test_a_template_costs_no_read_until_it_changes(self, transactional_db: None) -> None:
        tenant = TenantFactory.create()
        live = api(tenant)
        templates(live, tenant)
        for _ in range(6):  # by then the driver has prepared its statements
            send(live)
        assert round_trips(lambda: send(live)) == 2
        put(live, body=ANA)
        send(live, user_id="u1", recipient=None)
        for _ in range(6):
            send(live, user_id="u1", recipient=None)
        assert round_trips(lambda: send(live, user_id="u1", recipient=None)) == 3


class TestNotify:
    def test_each_gets_its_own_words(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant, body(), sms())
        put(live, body=ANA)
        said = live.post({
            "template": "auth.reset", "data": DATA | {"user_name": "all"},
            "to": [
                {"user_id": "u1"},
                {"email": "b@x.example", "data": {"user_name": "Bo"}},
                {"sms": "+14155550199", "locale": "fr"},
            ],
        }, NOTIFY)  # fmt: skip
        url = DATA["reset_url"]
        assert [one[1:3] for one in told(said)] == [
            ("email", "ana@x.example"), ("sms", "+14155550100"), ("email", "b@x.example"),
            ("sms", "+14155550199"),
        ]  # fmt: skip
        assert texts() == [
            ("Neues Passwort", f"Hallo all: {url}"), ("", f"Hi all: {url}"),
            ("Reset it, Bo", f"Hello Bo: {url}"), ("", f"Hi all: {url}"),
        ]  # fmt: skip
        assert live.get(f"/v1/requests/{said.body['id']}").body["template"] == "auth.reset"

    def test_who_lacks_a_variable_is_refused_alone(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant)
        to = [{"email": "a@x.example", "data": DATA}, {"email": "b@x.example"}]
        said = live.post({"template": "auth.reset", "to": to}, NOTIFY)
        assert [one[0] for one in told(said)] == [0]
        assert rejected(said) == [(1, "email", "/to/1/data/reset_url", "required")]

    def test_one_call_writes_so_much_and_the_rest_is_refused(
        self, live: Api, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever it is written by: both templates, channels and locales are of one call."""
        long = {"subject": "s", "text": "{{ user_name | append: reset_url }}" + "x" * 1000}
        german = {"slug": "auth.long", "locales": {"en": long, "de": long}}
        templates(live, tenant, body(), sms(locales={"en": {"text": "x" * 1000}}), body(**german))
        few = Allowance(9, 2_400)
        monkeypatch.setattr(Allowance, "of", classmethod(lambda *_, **__: replace(few)))
        to = [{"email": f"{n}@x.example", "sms": f"+141555501{n:02}"} for n in range(4)]
        said = live.post({"template": "auth.reset", "data": DATA, "to": to}, NOTIFY)
        assert [one[:2] for one in told(said)] == [
            (0, "email"), (0, "sms"), (1, "email"), (1, "sms"), (2, "email"), (3, "email"),
        ]  # fmt: skip
        assert rejected(said) == [(n, "sms", "/template", "template_limit") for n in (2, 3)]
        sends = [
            {"channel": "email", "recipient": "b@x.example", "template": slug, "data": DATA,
             "locale": locale}
            for slug, locale in [("auth.long", "en"), ("auth.long", "de"), ("auth.reset", "en"),
                                 ("auth.long", "de"), ("auth.long", "en")]
        ]  # fmt: skip
        said = live.batch(*sends, mode="partial")
        assert ["id" in item for item in said.body["data"]] == [True, True, False, False, True]
        assert live.batch(*sends).status == 422

    def test_a_channel_without_the_template_is_refused(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant)
        to = [{"email": "a@x.example", "sms": "+14155550100"}]
        given = {"template": "auth.reset", "data": DATA, "to": to}
        assert [one[1] for one in told(live.post(given, NOTIFY))] == ["email"]
        said = live.post(given | {"channels": ["email", "sms"]}, NOTIFY)
        assert rejected(said) == [(0, "sms", "/template", "unknown_template")]
        said = live.post(given | {"template": "x"}, NOTIFY)
        assert {error[1] for error in said.errors} == {"unknown_template"}

    def test_a_wish_about_the_template_counts(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant, body(), sms())
        put(live, body=ANA)
        Preference.objects.create(
            tenant=tenant, mode="live", user_id="u1", templates={"auth.reset": {"sms": False}}
        )
        given = {"template": "auth.reset", "data": DATA, "to": [{"user_id": "u1"}]}
        assert [one[3:] for one in told(live.post(given, NOTIFY))] == [
            ("accepted", None), ("suppressed", "preference"),
        ]  # fmt: skip

    def test_a_thousand_with_data_of_their_own(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant)
        to = [{"email": f"u{n}@x.example", "data": {"user_name": f"u{n}"}} for n in range(1_000)]
        said = live.post({"template": "auth.reset", "data": DATA, "to": to}, NOTIFY)
        assert len(told(said)) == 1_000
        assert [subject for subject, _ in texts()] == [f"Reset it, u{n}" for n in range(1_000)]


class TestQuietHours:
    def wish(self, tenant: Tenant, **fields: Any) -> datetime:
        """Quiet from an hour ago until an hour from now, by the user's clock."""
        now = datetime.now(UTC)
        Preference.objects.create(
            tenant=tenant, mode="live", user_id="u1", **fields,
            quiet_hours={
                "start": f"{now - timedelta(hours=1):%H:%M}",
                "end": f"{now + timedelta(hours=1):%H:%M}",
            },
        )  # fmt: skip
        return (now + timedelta(hours=1)).replace(second=0, microsecond=0)

    def test_they_put_it_off(self, live: Api, tenant: Tenant) -> None:
        put(live, body=ANA | {"timezone": "UTC"})
        end = self.wish(tenant)
        said = live.post(email(user_id="u1"))
        assert said.body["status"] == "scheduled"
        row = Notification.objects.get()
        assert row.scheduled_at == OutboxMessage.objects.get().due_at == end
        assert row.expires_at - end == timedelta(days=3)
        assert live.one(said.body["id"])["reason"] == "quiet_hours"
        event = Event.objects.get(type="notification.scheduled")
        assert event.data["reason"] == "quiet_hours"
        assert datetime.fromisoformat(event.data["until"]) == end

    def test_a_moment_of_expiry_stays(self, live: Api, tenant: Tenant) -> None:
        put(live, body=ANA | {"timezone": "UTC"})
        end = self.wish(tenant)
        moment = end - timedelta(minutes=30)
        said = live.post(email(user_id="u1", expires_at=moment.isoformat()))
        assert said.body["status"] == "scheduled"
        row = Notification.objects.get()
        assert (row.scheduled_at, row.expires_at) == (end, moment)

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"priority": "high"}, "accepted"),
            ({"priority": "high", "category": "marketing"}, "scheduled"),
            ({"user_id": None}, "accepted"),
        ],
    )
    def test_what_does_not_wait(self, live: Api, tenant: Tenant, fields: Any, status: str) -> None:
        put(live, body=ANA | {"timezone": "UTC"})
        self.wish(tenant, categories={"marketing": {"email": True}})
        given = email(user_id="u1") | fields
        said = live.post({k: v for k, v in given.items() if v is not None})
        assert said.body["status"] == status

    def test_the_tenants_zone_where_the_users_is_not_known(self, live: Api) -> None:
        tenant = TenantFactory.create(timezone="Asia/Tokyo")
        caller = api(tenant)
        put(caller, body=ANA)
        self.wish(tenant)
        # By the clock of Tokyo it is not this hour.
        assert caller.post(email(user_id="u1")).body["status"] == "accepted"


class TestSenders:
    def test_the_nearest_scope_speaks(self, live: Api, tenant: Tenant) -> None:
        templates(live, tenant)
        provider = ProviderFactory.create(
            tenant=tenant, settings={"from_email": "a@s.example", "allowed_from": ["@s.example"]}
        )
        SenderConfig.objects.create(
            tenant=tenant, scope="org", scope_id="acme", from_email="acme@s.example",
            from_name="Acme", locale="de", providers={"email": str(provider.pk)},
        )  # fmt: skip
        send(live, org_id="acme")
        send(live, org_id="acme", **{"from": "b@s.example"})
        send(live, org_id="other")
        rows = Notification.objects.order_by("id")
        assert [(row.sender_scope, row.chosen_provider_id, row.locale) for row in rows] == [
            ("org", provider.pk, "de"), ("org", provider.pk, "de"), (None, None, "en"),
        ]  # fmt: skip
        payloads = [Content.objects.get(pk=row.content_id).payload for row in rows]
        assert [(one.get("sender"), one.get("sender_name")) for one in payloads] == [
            ("acme@s.example", "Acme"), ("b@s.example", None), (None, None),
        ]  # fmt: skip
        assert [row.org_id for row in rows] == ["acme", "acme", "other"]
