"""Webhooks in the portal: secrets shown once, headers never, and everything the API can."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from delivery.receivers import disable
from hiram.lib import outbound
from notifications import webhooks
from notifications.models import Attempt, Event, Lane, OutboxMessage, WebhookEndpoint
from tests.factories import post
from tests.portal.conftest import CANARY, People, World, dead, make_webhook, told

LIST = "/portal/notifications/webhookendpoint/"
ADD = f"{LIST}add/"
HEADER = "Bearer s3cret-of-the-receiver"
FORM = {
    "mode": "live",
    "url": "https://hooks.example.com/hiram",
    "description": "the shop",
    "events": ["notification.sent", "notification.failed"],
    "rate_limit": "2.5",
    "headers": f"Authorization: {HEADER}\r\n\r\nX-Team:billing",
}


def secrets_in(content: bytes) -> set[str]:
    return set(re.findall(r"whsec_[A-Za-z0-9+/=]{40,}", content.decode()))


def page_of(row: WebhookEndpoint, page: str = "change") -> str:
    return f"{LIST}{row.pk}/{page}/"


def made(client: Client, **fields: Any) -> tuple[WebhookEndpoint, str]:
    known = set(WebhookEndpoint.objects.values_list("pk", flat=True))
    response = client.post(ADD, FORM | fields)
    [secret] = secrets_in(response.content)
    [row] = WebhookEndpoint.objects.exclude(pk__in=known)
    return row, secret


def form_of(row: WebhookEndpoint, **changes: Any) -> dict[str, Any]:
    given = {"url": row.url, "description": row.description, "events": row.events}
    return given | changes


def test_a_secret_is_shown_in_one_answer_and_nowhere_else(people: People, ours: World) -> None:
    client = people["developer"]
    row, secret = made(client)
    assert (row.tenant, row.mode, row.url) == (ours.tenant, "live", FORM["url"])
    assert (row.description, row.rate_limit, row.ordered) == ("the shop", 2.5, False)
    assert row.events == ["notification.failed", "notification.sent"]
    kept = row.open()
    assert [one["secret"] for one in kept["secrets"]] == [secret]
    assert kept["headers"] == {"Authorization": HEADER, "X-Team": "billing"}
    assert Lane.objects.get(pk=row.pk).topic == "webhook"
    seen = [LIST, page_of(row), page_of(row, "deliveries"), page_of(row, "history"), "/portal/"]
    seen += [page_of(row, name) for name in ("rotate", "test", "recover", "disable", "delete")]
    for who in ("viewer", "developer", "operator"):
        for url in seen:
            page = people[who].get(url).content.decode()
            assert secret not in page, url
            assert HEADER not in page, url
    assert "Authorization, X-Team" in client.get(page_of(row)).content.decode()
    assert "Authorization, X-Team" in people["viewer"].get(page_of(row)).content.decode()
    session = Session.objects.get(session_key=client.session.session_key)
    assert secret not in str(session.get_decoded())
    for entry in LogEntry.objects.all():
        assert secret not in f"{entry.object_repr} {entry.change_message}"
        assert HEADER not in f"{entry.object_repr} {entry.change_message}"


def test_the_page_of_the_secret_is_not_kept(people: People) -> None:
    response = people["owner"].post(ADD, FORM)
    assert "no-store" in response["Cache-Control"]


def test_the_same_form_sent_again_makes_no_second_one(people: People, ours: World) -> None:
    made(people["owner"])
    again = people["owner"].post(ADD, FORM)
    assert secrets_in(again.content) == set()
    assert "There is one already" in again.content.decode()
    made(people["owner"], description="another")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": ""}, "This field is required"),
        ({"url": "ftp://hooks.example.com"}, "must be an https address"),
        ({"url": "https://user:pw@hooks.example.com"}, "without a user"),
        ({"url": f"https://hooks.example.com/{'x' * 2_000}"}, "at most 2,?000 characters"),
        ({"url": "https://hooks.example.com/\x00"}, "[Nn]ull characters"),
        ({"events": ["notification.everything"]}, "Select a valid choice"),
        ({"mode": "shadow"}, "live or test|valid choice"),
        ({"rate_limit": "0"}, "more than 0"),
        ({"rate_limit": "nan"}, "Enter a number|number"),
        ({"rate_limit": "1e9"}, "at most 1000"),
        ({"headers": "Host: x"}, "none that Hiram or HTTP sets"),
        ({"headers": "webhook-id: x"}, "none that Hiram or HTTP sets"),
        ({"headers": "a b: x"}, "header.s name"),
        ({"headers": "X-A: \u20ac"}, "ISO 8859-1"),
        ({"headers": "no colon"}, "A header a line"),
        ({"headers": "X-A: 1\nx-a: 2"}, "may be given once"),
        ({"headers": "\n".join(f"X-{n}: 1" for n in range(21))}, "at most 20"),
        ({"description": "x" * 201}, "200"),
    ],
)
def test_a_wrong_form_makes_none(
    wrong: dict[str, Any], said: str, people: People, ours: World
) -> None:
    before = WebhookEndpoint.objects.count()
    response = people["owner"].post(ADD, FORM | wrong)
    assert (response.status_code, secrets_in(response.content)) == (200, set())
    assert re.search(said, response.content.decode().replace("&#x27;", "'"))
    assert WebhookEndpoint.objects.count() == before


def test_an_address_inside_is_refused(people: People) -> None:
    before = outbound.policy()
    outbound.use(outbound.Policy())
    try:
        for url in ("https://127.0.0.1/x", "https://[::1]/", "https://169.254.169.254/latest"):
            response = people["owner"].post(ADD, FORM | {"url": url})
            assert (response.status_code, secrets_in(response.content)) == (200, set()), url
    finally:
        outbound.use(before)


def test_there_are_only_so_many(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST", 2)
    made(people["owner"])
    response = people["owner"].post(ADD, FORM | {"description": "another"}, follow=True)
    assert "There are 2 webhooks already." in response.content.decode()
    assert secrets_in(response.content) == set()


def test_a_shadow_tenants_live_ones_are_shadow(people: People, ours: World) -> None:
    ours.tenant.mode = "shadow"
    ours.tenant.save(update_fields=["mode"])
    assert made(people["owner"])[0].mode == "shadow"
    assert made(people["owner"], mode="test")[0].mode == "test"


def test_the_tenant_of_a_form_is_never_believed(
    people: People, ours: World, theirs: World
) -> None:
    row, _ = made(people["owner"], tenant=str(theirs.tenant.pk))
    assert row.tenant == ours.tenant


def test_an_operator_names_the_tenant(people: People, theirs: World) -> None:
    assert "This field is required" in people["operator"].post(ADD, FORM).content.decode()
    assert made(people["operator"], tenant=str(theirs.tenant.pk))[0].tenant == theirs.tenant


def test_headers_left_empty_stay_and_can_be_replaced_and_removed(people: People) -> None:
    client = people["owner"]
    row, secret = made(client)

    def change(**fields: Any) -> dict[str, Any]:
        assert client.post(page_of(row), form_of(row, **fields)).status_code == 302
        row.refresh_from_db()
        return dict(row.open()["headers"])

    assert change(description="renamed") == {"Authorization": HEADER, "X-Team": "billing"}
    assert (row.description, row.rate_limit) == ("renamed", None)
    assert change(headers="X-New: 1") == {"X-New": "1"}
    assert change(no_headers="on") == {}
    assert [one["secret"] for one in row.open()["secrets"]] == [secret]
    assert change(events=[]) == {}
    assert row.events == []


def test_headers_are_not_sent_to_another_place(people: People) -> None:
    client = people["owner"]
    row, _ = made(client)
    moved = form_of(row, url="https://evil.example/hiram")
    page = client.post(page_of(row), moved).content.decode()
    assert webhooks.MOVES in page
    row.refresh_from_db()
    assert row.url == FORM["url"]
    same_host = form_of(row, url="https://hooks.example.com/other")
    assert client.post(page_of(row), same_host).status_code == 302
    assert client.post(page_of(row), moved | {"headers": "X-A: 1"}).status_code == 302
    row.refresh_from_db()
    assert (row.url, row.open()["headers"]) == ("https://evil.example/hiram", {"X-A": "1"})


def test_mode_and_tenant_never_change(people: People, ours: World, theirs: World) -> None:
    row, _ = made(people["owner"])
    odd = {"mode": "test", "tenant": str(theirs.tenant.pk), "sealed": "x"}
    people["operator"].post(page_of(row), form_of(row, **odd))
    row.refresh_from_db()
    assert (row.mode, row.tenant) == ("live", ours.tenant)
    row.open()


def test_rotating_shows_the_new_one_once(people: People) -> None:
    client = people["developer"]
    row, old = made(client)
    asked = client.get(page_of(row, "rotate")).content.decode()
    [at] = re.findall(r'name="at" value="([^"]*)"', asked)
    done = client.post(page_of(row, "rotate"), {"at": at})
    [new] = secrets_in(done.content)
    assert "no-store" in done["Cache-Control"]
    row.refresh_from_db()
    assert [one["secret"] for one in row.open()["secrets"]] == [new, old]
    again = client.post(page_of(row, "rotate"), {"at": at})
    assert (again.status_code, secrets_in(again.content)) == (302, set())
    row.refresh_from_db()
    assert len(row.open()["secrets"]) == 2
    assert new not in client.get(page_of(row)).content.decode()
    assert LogEntry.objects.filter(change_message="Secret rotated.").count() == 1


def test_states_are_shown(people: People, ours: World) -> None:
    since = timezone.now() - timedelta(days=2)
    failing = make_webhook(ours.tenant, "failing")
    WebhookEndpoint.objects.filter(pk=failing.pk).update(first_failed_at=since)
    disable(make_webhook(ours.tenant, "gone").pk, "gone")
    webhooks.change(make_webhook(ours.tenant, "off"), {}, None, enabled=False)
    page = people["viewer"].get(LIST).content.decode()
    shown = re.findall(r">\s*(working|failing|disabled)\s*<", page)
    assert sorted(shown) == ["disabled", "disabled", "failing", "working"]
    assert f"{since:%Y-%m-%d %H:%M} UTC" in page
    assert "It answered 410: it wants no more." in page
    assert "Somebody disabled it." in page
    page = people["viewer"].get(page_of(failing)).content.decode()
    assert f"Failing since {since:%Y-%m-%d %H:%M} UTC" in page
    assert "/rotate/" not in page


def test_a_test_is_owed_and_looked_for_among_the_deliveries(people: People) -> None:
    row, _ = made(people["owner"])
    asked = people["developer"].get(page_of(row, "test"))
    assert asked.status_code == 200
    assert not OutboxMessage.objects.filter(topic="webhook").exists()
    done = people["developer"].post(page_of(row, "test"))
    assert (done.status_code, done["Location"]) == (302, page_of(row, "deliveries"))
    assert OutboxMessage.objects.get(topic="webhook").lane_id == row.pk
    page = people["viewer"].get(page_of(row, "deliveries")).content.decode()
    assert "webhook.test" in page
    assert "not yet" in page


def test_a_disabled_one_is_neither_tested_nor_told_again(people: People) -> None:
    row, _ = made(people["owner"])
    assert people["owner"].post(page_of(row, "disable")).status_code == 302
    row.refresh_from_db()
    assert row.disabled_reason == "by_hand"
    for page, given in (("test", {}), ("recover", {"since": "2026-01-01 00:00"})):
        done = people["owner"].post(page_of(row, page), given, follow=True)
        assert "This webhook is disabled. Enable it first." in done.content.decode()
    assert not Event.objects.filter(type="webhook.test").exists()
    assert people["owner"].post(page_of(row, "enable")).status_code == 302
    row.refresh_from_db()
    assert row.disabled_at is None
    assert Lane.objects.get(pk=row.pk).paused_at is None


def test_it_is_told_again_from_a_time_on(people: People, ours: World) -> None:
    post(ours.tenant)
    row, _ = made(people["owner"], events=[])
    Event.objects.filter(tenant=ours.tenant, type="provider.degraded").update(
        created_at=timezone.now() - timedelta(days=9)
    )
    since = f"{timezone.now() - timedelta(hours=1):%Y-%m-%d %H:%M}"
    done = people["owner"].post(page_of(row, "recover"), {"since": since}, follow=True)
    expected = Event.objects.filter(tenant=ours.tenant).exclude(type="provider.degraded").count()
    assert f"{expected} events are told again." in done.content.decode()
    assert OutboxMessage.objects.filter(lane_id=row.pk).count() == expected
    again = people["owner"].post(page_of(row, "recover"), {"since": since}, follow=True)
    assert "0 events are told again." in again.content.decode()


@pytest.mark.parametrize("odd", ["", "yesterday", "2026-13-01 00:00", "9" * 400, "\x00"])
def test_what_is_no_time_is_asked_for_again(odd: str, people: People, ours: World) -> None:
    response = people["owner"].post(page_of(ours.webhook, "recover"), {"since": odd})
    assert response.status_code == 200
    assert "Enter a valid date/time" in response.content.decode() or not odd.strip("\x00")


@pytest.mark.parametrize("since", ["0001-01-01T00:00+14:00", "9999-12-31 23:59"])
def test_a_time_far_away_is_a_time(since: str, people: People, ours: World) -> None:
    response = people["owner"].post(page_of(ours.webhook, "recover"), {"since": since})
    assert response.status_code in (200, 302)


def test_deliveries_have_each_attempt_and_nothing_in_them_runs(
    people: People, ours: World
) -> None:
    evil = "<script>alert(1)</script>"
    one = told(ours.webhook, "failed", outcome="refused", code="500", response=evil, error=evil)
    Attempt.objects.create(
        tenant=ours.tenant,
        subject_id=one.pk,
        number=2,
        fence=2,
        worker="w",
        outcome="unknown",
        error="no whole answer came",
        finished_at=timezone.now() + timedelta(milliseconds=1_234),
    )
    page = people["viewer"].get(page_of(ours.webhook, "deliveries")).content.decode()
    page = page[page.index('id="deliveries"') :]
    assert evil not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert re.search(r"1\. HTTP 500", page)
    assert re.search(r"2\. unknown\s.*?123\d ms", page, re.DOTALL)
    assert "OUR answer" in page
    only = people["viewer"].get(f"{page_of(ours.webhook, 'deliveries')}?status=failed")
    assert "OUR answer" not in only.content.decode()


def test_deliveries_come_in_pages(people: People, ours: World) -> None:
    for _ in range(30):
        told(ours.webhook)
    url, seen = page_of(ours.webhook, "deliveries"), set[str]()
    while url:
        page = people["viewer"].get(url).content.decode()
        found = re.findall(r"evt_\w{26}", page)
        assert seen.isdisjoint(found)
        seen |= set(found)
        older = re.search(r'href="\?([^"]*cursor=[^"]*)"', page)
        url = f"{page_of(ours.webhook, 'deliveries')}?{older[1]}" if older else ""
    assert len(seen) == 31


def test_a_cursor_of_another_list_is_none(people: People, ours: World, theirs: World) -> None:
    for _ in range(26):
        told(theirs.webhook)
    page = people["operator"].get(page_of(theirs.webhook, "deliveries")).content.decode()
    older = re.search(r'href="\?([^"]*cursor=[^"]*)"', page)
    assert older
    for query in (older[1], "cursor=x", "cursor=%00", "status=x&cursor=y"):
        response = people["owner"].get(f"{page_of(ours.webhook, 'deliveries')}?{query}")
        assert response.status_code == 404
        assert CANARY not in response.content.decode()


def test_deleting_ends_what_it_is_owed(people: People) -> None:
    row, _ = made(people["owner"])
    webhooks.test(row)
    people["owner"].post(page_of(row, "delete"), {"post": "yes"})
    assert not WebhookEndpoint.objects.filter(pk=row.pk).exists()
    assert not Lane.objects.filter(pk=row.pk).exists()
    assert not OutboxMessage.objects.filter(lane_id=row.pk).exists()


def test_one_whose_keys_are_gone_can_be_looked_at_and_deleted(people: People) -> None:
    row, _ = made(people["owner"])
    WebhookEndpoint.objects.filter(pk=row.pk).update(sealed=b"nothing that opens")
    assert people["owner"].get(page_of(row)).status_code == 200
    row.refresh_from_db()
    done = people["owner"].post(
        page_of(row, "rotate"), {"at": row.updated_at.isoformat()}, follow=True
    )
    assert "cannot be read with the configured keys" in done.content.decode()
    people["owner"].post(page_of(row, "delete"), {"post": "yes"})
    assert not WebhookEndpoint.objects.filter(pk=row.pk).exists()


def test_a_webhooks_dead_letters_are_not_among_those_of_notifications(
    people: People, ours: World
) -> None:
    letter = dead(post(ours.tenant)[0])
    type(letter).objects.create(
        tenant=ours.tenant, notification_id=told(ours.webhook, "failed").pk, reason="transient"
    )
    page = people["viewer"].get("/portal/notifications/deadletter/").content.decode()
    page = page[page.index('id="changelist"') :]
    assert str(letter.notification_id) in page
    assert page.count("/portal/notifications/notification/") == 1
