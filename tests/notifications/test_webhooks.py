"""`/v1/webhooks` and `/v1/events`."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from hiram.lib import ids, outbound
from notifications.models import Event, WebhookEndpoint
from tenants.models import Tenant
from tests.embedded.waiting import until
from tests.factories import TenantFactory, email, post, shown
from tests.notifications.calls import Api, api

pytestmark = pytest.mark.django_db

PATH = "/v1/webhooks"
URL = "http://127.0.0.1:9/hook"


def made(caller: Api, **given: Any) -> dict[str, Any]:
    said = caller.ask("POST", PATH, {"url": URL} | given)
    assert said.status == 201, said.body
    body: dict[str, Any] = said.body
    return body


def all_told() -> bool:
    """Whether the feed may show everything: any open transaction, also autovacuum's, holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        [horizon] = cursor.fetchone()
    return not Event.objects.filter(transaction__gte=horizon).exists()


def test_one_is_made_and_its_secret_is_shown_once(tenant: Tenant) -> None:
    caller = api(tenant)
    said = caller.ask(
        "POST", PATH, {"url": URL, "events": ["notification.sent"], "headers": {"X-A": "s3cret"}}
    )
    shown_id = said.body["id"]
    assert said.headers["Location"] == f"{PATH}/{shown_id}"
    secret = said.body.pop("secret")
    assert secret.startswith("whsec_")
    assert said.body == {
        "id": shown_id, "url": URL, "description": "", "events": ["notification.sent"],
        "headers_set": ["X-A"], "rate_limit": None, "ordered": False, "asymmetric": False,
        "public_key": None, "enabled": True, "disabled_at": None, "disabled_reason": None,
        "first_failed_at": None, "created_at": said.body["created_at"],
        "updated_at": said.body["updated_at"],
    }  # fmt: skip
    assert caller.get(f"{PATH}/{shown_id}").body == said.body
    assert caller.get(PATH).body["data"] == [said.body]
    row = WebhookEndpoint.objects.get()
    for text in (secret, "s3cret"):
        assert text.encode() not in bytes(row.sealed)
        assert text not in str(caller.get(PATH).body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": ""}, "/url"),
        ({"url": "ftp://example.com/"}, "/url"),
        ({"url": "https://user:pass@example.com/"}, "/url"),
        ({"url": "https://example.com/#x"}, "/url"),
        ({"url": "https://169.254.169.254/latest"}, "/url"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "/url"),
        ({"url": "https://0x7f.1/"}, "/url"),
        ({"url": "https://2130706433/"}, "/url"),
        ({"url": "https://exa\r\nmple.com/"}, "/url"),
        ({"url": "https://" + "a" * 2_000}, "/url"),
        ({"url": URL, "events": ["notification.queued"]}, "/events/0"),
        ({"url": URL, "events": "notification.sent"}, "/events"),
        ({"url": URL, "headers": {"Host": "x"}}, "/headers/Host"),
        ({"url": URL, "headers": {"Webhook-Id": "x"}}, "/headers/Webhook-Id"),
        ({"url": URL, "headers": {"X-Hiram-Signature": "x"}}, "/headers/X-Hiram-Signature"),
        ({"url": URL, "headers": {"Content-Length": "0"}}, "/headers/Content-Length"),
        ({"url": URL, "headers": {"a b": "x"}}, "/headers/a b"),
        ({"url": URL, "headers": {"X-A": "x\r\nY: z"}}, "/headers/X-A"),
        ({"url": URL, "headers": {"X-A": "ü\u20ac"}}, "/headers/X-A"),
        ({"url": URL, "rate_limit": 0}, "/rate_limit"),
        ({"url": URL, "rate_limit": 1e9}, "/rate_limit"),
        ({"url": URL, "secret": "whsec_mine"}, "/secret"),
        ({"url": URL, "tenant_id": "tnt_1"}, "/tenant_id"),
        ({"url": URL, "ordered": "yes"}, "/ordered"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(
    tenant: Tenant, body: dict[str, Any], pointer: str
) -> None:
    before = outbound.policy()
    if (
        "169.254" in str(body)
        or "10.0.0.1" in str(body)
        or "0x7f" in str(body)
        or "2130" in str(body)
    ):
        outbound.use(outbound.Policy())
    try:
        said = api(tenant).ask("POST", PATH, body)
    finally:
        outbound.use(before)
    assert said.status == 422
    assert [where for where, _ in said.errors] == [pointer]
    assert not WebhookEndpoint.objects.exists()


def test_it_is_changed_field_by_field(tenant: Tenant) -> None:
    caller = api(tenant)
    one = made(caller, headers={"X-A": "1"}, description="first")
    path = f"{PATH}/{one['id']}"
    said = caller.ask("PATCH", path, {"events": ["notification.sent", "notification.failed"]})
    assert said.body["events"] == ["notification.failed", "notification.sent"]
    assert (said.body["headers_set"], said.body["description"]) == (["X-A"], "first")
    said = caller.ask("PATCH", path, {"headers": {}, "rate_limit": 5, "enabled": False})
    assert (said.body["headers_set"], said.body["rate_limit"]) == ([], 5)
    assert (said.body["enabled"], said.body["disabled_reason"]) == (False, "by_hand")
    said = caller.ask("PATCH", path, {"rate_limit": None, "enabled": True})
    assert (said.body["enabled"], said.body["disabled_reason"], said.body["rate_limit"]) == (
        True,
        None,
        None,
    )
    for body, pointer in (
        ({"url": None}, "/url"),
        ({"enabled": None}, "/enabled"),
        ({"x": 1}, "/x"),
    ):
        said = caller.ask("PATCH", path, body)
        assert (said.status, [where for where, _ in said.errors]) == (422, [pointer])


def test_it_is_removed(tenant: Tenant) -> None:
    caller = api(tenant)
    one = made(caller)
    assert caller.ask("DELETE", f"{PATH}/{one['id']}", b"").status == 204
    assert caller.ask("DELETE", f"{PATH}/{one['id']}", b"").status == 404
    post(tenant)
    assert caller.get(PATH).body["data"] == []


def test_secrets_rotate(tenant: Tenant) -> None:
    caller = api(tenant)
    one = made(caller)
    said = caller.ask("POST", f"{PATH}/{one['id']}/rotate-secret", b"")
    assert said.status == 200
    assert said.body["secret"] not in (one["secret"], "")
    kept = WebhookEndpoint.objects.get().open()
    assert [s["secret"] for s in kept["secrets"]] == [said.body["secret"], one["secret"]]


def test_a_disabled_one_is_neither_tested_nor_recovered(tenant: Tenant) -> None:
    caller = api(tenant)
    one = made(caller)
    caller.ask("PATCH", f"{PATH}/{one['id']}", {"enabled": False})
    for verb, body in (("test", b""), ("recover", {"since": "2026-01-01T00:00:00Z"})):
        said = caller.ask("POST", f"{PATH}/{one['id']}/{verb}", body)
        assert (said.status, said.code) == (409, "conflict")


def test_deliveries_are_listed(tenant: Tenant) -> None:
    caller = api(tenant)
    one = made(caller)
    post(tenant)
    [delivery] = caller.get(f"{PATH}/{one['id']}/deliveries").body["data"]
    assert (delivery["type"], delivery["status"], delivery["attempts"]) == (
        "notification.accepted",
        "accepted",
        [],
    )
    said = caller.get(f"{PATH}/{one['id']}/deliveries?status=failed")
    assert said.body["data"] == []


def test_what_happened_before_is_told_when_asked_for(tenant: Tenant) -> None:
    post(tenant, *[email()] * 3)
    post(TenantFactory.create())
    caller = api(tenant)
    one = made(caller, events=["notification.accepted"])
    said = caller.ask("POST", f"{PATH}/{one['id']}/recover", {"since": "2020-01-01T00:00:00Z"})
    assert (said.status, said.body) == (202, {"id": one["id"], "recovered": 3, "has_more": False})
    said = caller.ask("POST", f"{PATH}/{one['id']}/recover", {"since": "2020-01-01T00:00:00Z"})
    assert said.body["recovered"] == 0
    said = caller.ask("POST", f"{PATH}/{one['id']}/recover", {"since": None})
    assert [where for where, _ in said.errors] == ["/since"]


@pytest.mark.django_db(transaction=True)
class TestFeed:
    def test_it_is_complete_in_order_and_goes_on(self, tenant: Tenant) -> None:
        caller = api(tenant)
        rows = [post(tenant)[0] for _ in range(5)]
        post(TenantFactory.create())
        post(tenant, mode="test")
        until(all_told)
        seen: list[str] = []
        cursor, pages = "", 0
        while True:
            said = caller.get(f"/v1/events?limit=2{cursor}")
            seen += [event["data"]["notification_id"] for event in said.body["data"]]
            cursor, pages = f"&cursor={said.body['next_cursor']}", pages + 1
            if not said.body["has_more"]:
                break
        assert (seen, pages) == ([shown(row) for row in rows], 3)
        assert caller.get(f"/v1/events?limit=2{cursor}").body["data"] == []
        [later] = post(tenant)
        until(all_told)
        [event] = caller.get(f"/v1/events?limit=2{cursor}").body["data"]
        assert event["data"]["notification_id"] == shown(later)
        assert event["type"] == "notification.accepted"
        assert ids.parse("evt", event["id"]) == Event.objects.latest("transaction", "id").pk

    def test_what_commits_late_is_not_skipped(self, tenant: Tenant) -> None:
        caller = api(tenant)
        other = connection.copy()
        try:
            other.set_autocommit(False)
            with other.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO notifications_event (id, tenant_id, mode, type, data)"
                    " VALUES (%s, %s, 'live', 'provider.degraded', '{}')",
                    [ids.new(), tenant.pk],
                )
            post(tenant)
            said = caller.get("/v1/events")
            assert said.body["data"] == [], "an earlier transaction is still running"
            other.commit()
        finally:
            other.close()
        until(all_told)
        found = caller.get(f"/v1/events?cursor={said.body['next_cursor']}").body["data"]
        assert [event["type"] for event in found] == [
            "provider.degraded",
            "notification.accepted",
        ]

    def test_filters_and_cursors_hold_for_their_list(self, tenant: Tenant) -> None:
        caller = api(tenant)
        post(tenant)
        until(all_told)
        assert len(caller.get("/v1/events?type=notification.accepted").body["data"]) == 1
        assert caller.get("/v1/events?type=notification.sent").body["data"] == []
        assert caller.get("/v1/events?created_after=2099-01-01T00:00:00Z").body["data"] == []
        cursor = caller.get("/v1/events").body["next_cursor"]
        for who, query in (
            (caller, "type=notification.sent&"),
            (api(TenantFactory.create()), ""),
            (api(tenant, "test"), ""),
        ):
            said = who.get(f"/v1/events?{query}cursor={cursor}")
            assert (said.code, said.errors) == ("bad-query", [("/cursor", "invalid")])
        for query, where in (("type=x", "/type"), ("created_after=x", "/created_after")):
            assert [p for p, _ in caller.get(f"/v1/events?{query}").errors] == [where]
        assert Event.objects.count() == 1
