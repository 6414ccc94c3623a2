"""Notify: one call, many recipients, each on the channels where it can be reached."""

from __future__ import annotations

from typing import Any

import pytest

from hiram.lib import ids
from notifications.models import (
    Block,
    Event,
    IdempotencyRecord,
    Notification,
    NotificationRequest,
    OutboxMessage,
    Preference,
)
from notifications.suppression import suppress
from tenants.models import Tenant
from tests.factories import TenantFactory
from tests.notifications.calls import Api, Said, api
from tests.notifications.test_round_trips import round_trips
from tests.notifications.test_users import put
from tests.tenancy import together

NOTIFY, REQUESTS = "/v1/notify", "/v1/requests"
TEXTS = {"email": {"subject": "Back", "body": "We are back."}, "sms": {"body": "We are back."}}

pytestmark = pytest.mark.django_db


def notify(caller: Api, *to: Any, **fields: Any) -> Said:
    key = fields.pop("key", None)
    headers = {"Idempotency_Key": key} if key else {}
    body = {"content": TEXTS, "to": list(to)} | fields
    return caller.post({k: v for k, v in body.items() if v is not None}, NOTIFY, **headers)


def told(said: Said) -> list[tuple[Any, ...]]:
    assert said.status == 202, said.body
    names = ("index", "channel", "recipient", "status", "reason")
    return [tuple(one[name] for name in names) for one in said.body["notifications"]]


def rejected(said: Said) -> list[tuple[int, str | None, str, str]]:
    assert said.status == 202, said.body
    return [
        (one["index"], one["channel"], error["pointer"], error["code"])
        for one in said.body["rejected"]
        for error in one["error"]["errors"]
    ]


def ana(caller: Api, name: str = "u1", **addresses: str) -> None:
    put(
        caller, name, {"addresses": addresses or {"email": "ana@x.example", "sms": "+14155550100"}}
    )


class TestChannels:
    def test_everybody_wherever_there_is_an_address(self, live: Api) -> None:
        ana(live)
        ana(live, "u2", sms="+14155550102")
        said = notify(live, {"user_id": "u1"}, {"user_id": "u2"}, {"email": "b@x.example"})
        assert told(said) == [
            (0, "email", "ana@x.example", "accepted", None),
            (0, "sms", "+14155550100", "accepted", None),
            (1, "sms", "+14155550102", "accepted", None),
            (2, "email", "b@x.example", "accepted", None),
        ]
        assert rejected(said) == []
        assert said.headers["Location"] == f"{REQUESTS}/{said.body['id']}"
        rows = Notification.objects.order_by("id")
        assert [ids.show("ntf", row.pk) for row in rows] == [
            one["id"] for one in said.body["notifications"]
        ]
        assert {row.request_id for row in rows} == {ids.parse("req", said.body["id"])}
        assert [row.user_id for row in rows] == ["u1", "u1", "u2", None]
        assert OutboxMessage.objects.count() == 4
        assert Event.objects.filter(type="notification.accepted").count() == 4

    def test_an_address_in_the_call_goes_before_the_users(self, live: Api) -> None:
        ana(live)
        said = notify(live, {"user_id": "u1", "email": "NEW@X.Example"}, channels=["email"])
        assert told(said) == [(0, "email", "NEW@x.example", "accepted", None)]
        assert Notification.objects.get().user_id == "u1"

    def test_whom_a_channel_cannot_reach_is_refused_alone(self, live: Api) -> None:
        ana(live, "u2", email="u2@x.example")
        said = notify(
            live, {"user_id": "u2"}, {"sms": "+14155550100"}, {"user_id": "nobody"},
            channels=["sms", "email"],
        )  # fmt: skip
        assert told(said) == [
            (0, "email", "u2@x.example", "accepted", None),
            (1, "sms", "+14155550100", "accepted", None),
        ]
        assert rejected(said) == [
            (0, "sms", "/to/0/user_id", "unreachable"),
            (1, "email", "/to/1", "unreachable"),
            (2, "sms", "/to/2/user_id", "unknown_user"),
            (2, "email", "/to/2/user_id", "unknown_user"),
        ]

    def test_only_channels_that_have_a_text(self, live: Api) -> None:
        ana(live)
        said = notify(live, {"user_id": "u1"}, content={"sms": {"body": "x"}})
        assert [channel for _, channel, *_ in told(said)] == ["sms"]

    def test_where_nobody_can_be_reached_nothing_is_stored(self, live: Api) -> None:
        ana(live, "u2", email="u2@x.example")
        said = notify(live, {"user_id": "u1"}, {"user_id": "u2"}, channels=["sms"])
        assert (said.status, said.errors) == (
            422, [("/to/0/user_id", "unknown_user"), ("/to/1/user_id", "unreachable")],
        )  # fmt: skip
        assert not NotificationRequest.objects.exists()

    def test_the_first_reachable_alone(self, live: Api, tenant: Tenant) -> None:
        for name in ("u1", "u2", "u3"):
            ana(live, name, email=f"{name}@x.example", sms=f"+1415555010{name[1]}")
        ana(live, "u4", sms="+14155550104")
        suppress(tenant.pk, "live", "email", "u2@x.example", "manual")
        for channel in ("email", "sms"):
            address = {"email": "u3@x.example", "sms": "+14155550103"}[channel]
            suppress(tenant.pk, "live", channel, address, "hard_bounce")
        to = [{"user_id": f"u{n}"} for n in range(1, 5)]
        said = notify(live, *to, strategy="first_reachable", channels=["email", "sms"])
        assert told(said) == [
            (0, "email", "u1@x.example", "accepted", None),
            (1, "sms", "+14155550102", "accepted", None),
            (2, "email", "u3@x.example", "suppressed", "suppression:hard_bounce"),
            (3, "sms", "+14155550104", "accepted", None),
        ]
        assert rejected(said) == []


class TestRefusals:
    """The answer says what accept decides, and why."""

    def check(self, live: Api, reason: str | None, **fields: Any) -> None:
        said = notify(live, {"user_id": "u1"}, channels=["email"], **fields)
        status = "suppressed" if reason else "accepted"
        assert told(said) == [(0, "email", "ana@x.example", status, reason)]
        one = live.one(said.body["notifications"][0]["id"])
        assert (one["status"] == "suppressed", one["reason"]) == (reason is not None, reason)

    def test_in_their_order(self, live: Api, tenant: Tenant) -> None:
        ana(live)
        self.check(live, None)
        self.check(live, "consent", category="marketing")
        wish = Preference.objects.create(tenant=tenant, mode="live", user_id="u1")
        for categories, category, reason in [
            ({"marketing": {"email": True}}, "marketing", None),
            ({"marketing": {"sms": True}}, "marketing", "consent"),
            ({"operational": {"email": False}}, "operational", "preference"),
            ({"operational": {"email": False}}, "transactional", None),
        ]:
            wish.categories = categories
            wish.save()
            self.check(live, reason, category=category)
        suppress(tenant.pk, "live", "email", "ANA@x.example", "complaint")
        self.check(live, "suppression:complaint")
        Block.objects.create(tenant=tenant, mode="live", channel="email", reason="Incident")
        self.check(live, "block")

    def test_other_channels_tenants_and_modes_stop_nothing(
        self, live: Api, tenant: Tenant
    ) -> None:
        ana(live)
        for other, mode, channel in [
            (TenantFactory.create(), "live", None), (tenant, "test", None), (tenant, "live", "sms"),
        ]:  # fmt: skip
            Block.objects.create(tenant=other, mode=mode, channel=channel, reason="x")
        self.check(live, None)


class TestShape:
    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"content": None}, ("", "invalid")),
            ({"template": "a"}, ("", "invalid")),
            ({"to": []}, ("/to", "too_few")),
            ({"to": [{}]}, ("/to/0", "invalid")),
            ({"to": [{"user_id": "a/b"}]}, ("/to/0/user_id", "invalid")),
            ({"to": [{"email": "no"}]}, ("/to/0/email", "invalid")),
            ({"to": [{"fax": "1"}]}, ("/to/0/fax", "unknown_field")),
            ({"to": [{"email": "a@x.example", "data": {"a": 1}}]}, ("", "invalid")),
            ({"channels": ["fax"]}, ("/channels/0", "invalid")),
            ({"channels": ["sms", "sms"]}, ("", "invalid")),
            ({"content": {"email": TEXTS["email"]}, "channels": ["sms"]}, ("", "invalid")),
            ({"content": {"email": {"body": "x"}}}, ("/content/email/subject", "required")),
            ({"content": {"email": TEXTS["email"] | {"x": 1}}}, ("/content/email/x", "unknown_field")),
            ({"content": {"email": TEXTS["email"] | {"user_id": "u2"}}}, ("/content", "invalid")),
            ({"content": {"email": TEXTS["email"] | {"recipient": "b@x.example"}}}, ("/content", "invalid")),
            ({"strategy": "some"}, ("/strategy", "not_an_option")),
            ({"scheduled_at": "tomorrow"}, ("/scheduled_at", "invalid")),
            ({"ttl_seconds": 0}, ("/ttl_seconds", "out_of_range")),
            ({"dedupe_seconds": 0}, ("/dedupe_seconds", "out_of_range")),
            ({"dedupe_key": "a", "notification_id": "b"}, ("", "invalid")),
            ({"from": "a@x.example"}, ("/from", "unknown_field")),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_named(
        self, live: Api, fields: Any, error: tuple[str, str]
    ) -> None:
        said = live.post({"content": TEXTS, "to": [{"email": "b@x.example"}]} | fields, NOTIFY)
        if fields.get("content", 1) is None:
            said = notify(live, {"email": "b@x.example"}, content=None)
        assert (said.status, said.errors) == (422, [error])
        assert not NotificationRequest.objects.exists()

    def test_all_that_notifications_share(self, live: Api) -> None:
        said = notify(
            live, {"email": "b@x.example"}, metadata={"order": "1"}, priority="high",
            category="operational", scheduled_at="2030-01-01T00:00:00Z", cancel_key="k",
            org_id="acme",
        )  # fmt: skip
        assert said.code == "invalid"  # more than a year ahead
        said = notify(
            live, {"email": "b@x.example"}, metadata={"order": "1"}, priority="high",
            category="operational", ttl_seconds=60, cancel_key="k", org_id="acme",
        )  # fmt: skip
        one = live.one(said.body["notifications"][0]["id"])
        assert (one["metadata"], one["priority"], one["category"], one["org_id"]) == (
            {"order": "1"}, "high", "operational", "acme",
        )  # fmt: skip
        assert one["request_id"] == said.body["id"]
        assert live.post({"cancel_key": "k"}, "/v1/cancel").body["stopped"] == [one["id"]]

    def test_a_thousand_and_no_more(self, live: Api) -> None:
        to = [{"email": f"u{n}@x.example"} for n in range(1_001)]
        assert notify(live, *to).errors == [("/to", "too_many")]
        assert len(told(notify(live, *to[1:]))) == 1_000
        assert Notification.objects.count() == 1_000


class TestOnce:
    def test_a_key_gives_the_first_answer(self, live: Api) -> None:
        first = notify(live, {"email": "b@x.example"}, key="k")
        again = notify(live, {"email": "b@x.example"}, key="k")
        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert Notification.objects.count() == NotificationRequest.objects.count() == 1
        assert notify(live, {"email": "c@x.example"}, key="k").code == "idempotency-key-reused"
        assert IdempotencyRecord.objects.count() == 1

    def test_twenty_at_once_are_one_call(self, transactional_db: None) -> None:
        caller = api(TenantFactory.create())
        said = together(10, lambda _: notify(caller, {"email": "b@x.example"}, key="k"))
        assert {one.status for one in said} <= {202, 409}
        assert len({one.body["id"] for one in said if one.status == 202}) == 1
        assert Notification.objects.count() == NotificationRequest.objects.count() == 1

    def test_a_notification_id_is_told_once(self, live: Api) -> None:
        ana(live)
        to = [{"user_id": "u1"}, {"email": "b@x.example"}]
        said = notify(live, *to, notification_id="incident-1")
        assert {one[3] for one in told(said)} == {"accepted"}
        again = notify(live, *to, {"email": "c@x.example"}, notification_id="incident-1")
        shown = [live.one(one["id"]) for one in again.body["notifications"]]
        assert [(one["recipient"], one["reason"]) for one in shown] == [
            ("ana@x.example", "duplicate"), ("+14155550100", "duplicate"),
            ("b@x.example", "duplicate"), ("c@x.example", None),
        ]  # fmt: skip
        other = notify(
            live, {"email": "b@x.example", "user_id": "u1"}, notification_id="incident-1"
        )
        assert live.one(other.body["notifications"][0]["id"])["reason"] is None

    def test_a_dedupe_key_is_a_recipients(self, live: Api) -> None:
        to = [{"email": "b@x.example"}, {"email": "B@X.example"}, {"email": "c@x.example"}]
        said = notify(live, *to, dedupe_key="low")
        shown = [live.one(one["id"])["reason"] for one in said.body["notifications"]]
        assert shown == [None, "duplicate", None]
        assert OutboxMessage.objects.count() == 2

    def test_at_once_one_is_sent(self, transactional_db: None) -> None:
        caller = api(TenantFactory.create())
        said = together(10, lambda _: notify(caller, {"email": "b@x.example"}, dedupe_key="low"))
        assert {one.status for one in said} == {202}
        assert OutboxMessage.objects.count() == 1
        assert Notification.objects.filter(reason="duplicate").count() == 9


class TestRequest:
    def test_it_is_shown_in_pages(self, live: Api) -> None:
        to = [{"email": f"u{n}@x.example"} for n in range(5)]
        made = notify(live, *to, metadata={"a": "b"}).body
        page = live.get(f"{REQUESTS}/{made['id']}?limit=3").body
        assert page["counts"] == {"queued": 5}
        assert (page["template"], page["strategy"], page["metadata"]) == (None, "all", {"a": "b"})
        rest = live.get(f"{REQUESTS}/{made['id']}?limit=3&cursor={page['next_cursor']}").body
        found = [one["id"] for one in page["data"] + rest["data"]]
        assert sorted(found) == sorted(one["id"] for one in made["notifications"])
        assert live.listed(f"request_id={made['id']}") == found

    def test_a_whole_one_is_canceled(self, live: Api) -> None:
        to = [{"email": f"u{n}@x.example"} for n in range(1_000)]
        other = notify(live, to[0]).body
        texts = {"email": TEXTS["email"]}
        ana(live)
        made = notify(live, *to[1:], {"user_id": "u1"}, content=texts).body
        said = live.post(b"", f"{REQUESTS}/{made['id']}/cancel")
        assert said.body["already_left"] == []
        assert sorted(said.body["stopped"]) == sorted(o["id"] for o in made["notifications"])
        assert live.get(f"{REQUESTS}/{made['id']}").body["counts"] == {"canceled": 1_000}
        assert live.get(f"{REQUESTS}/{other['id']}").body["counts"] == {"queued": 1}

    def test_strangers_find_none(self, live: Api, tenant: Tenant) -> None:
        made = notify(live, {"email": "b@x.example"}).body["id"]
        for caller in (api(TenantFactory.create()), api(tenant, mode="test")):
            assert caller.get(f"{REQUESTS}/{made}").code == "not-found"
            assert caller.post(b"", f"{REQUESTS}/{made}/cancel").code == "not-found"
        assert live.get(f"{REQUESTS}/ntf_x").code == "not-found"
        assert OutboxMessage.objects.count() == 1

    @pytest.mark.parametrize("path", [NOTIFY, f"{REQUESTS}/req_x/cancel"])
    def test_a_key_needs_its_scope(self, tenant: Tenant, path: str) -> None:
        assert Api().post({}, path).status == 401
        assert api(tenant, scopes=("notifications:read",)).post({}, path).code == "forbidden"


def test_a_thousand_cost_as_many_reads_as_one(transactional_db: None) -> None:
    caller = api(TenantFactory.create())
    users = [{"user_id": f"u{n}", "addresses": {"email": f"u{n}@x.example"}} for n in range(1_000)]
    assert caller.post({"users": users}, "/v1/users/batch").status == 200
    for _ in range(6):  # by then the driver has prepared its statements
        notify(caller, {"user_id": "u0"})
    one = round_trips(lambda: notify(caller, {"user_id": "u0"}))
    to = [{"user_id": f"u{n}"} for n in range(1_000)]
    assert round_trips(lambda: notify(caller, *to)) == one == 3
