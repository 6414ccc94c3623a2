"""Notifications in the portal: found among many, shown with all that happened, never run."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hiram.lib import ids
from notifications.models import Notification, OutboxMessage
from portal.queries.patience import TooMuch, patience
from portal.queries.wording import duration_in_words
from tenants.models import Member, Tenant
from tests.factories import email, post
from tests.portal.conftest import CANARY, People, World

LIST = "/portal/notifications/notification/"


def _listed(client: Client, **query: str) -> list[str]:
    """Public ids in the order shown."""
    page = client.get(LIST, query).content.decode()
    return re.findall(r"ntf_[0-9A-HJKMNP-TV-Z]{26}", page)


def _ids(*rows: Notification) -> list[str]:
    return [ids.show("ntf", row.pk) for row in rows]


def _settle(row: Notification, status: str) -> None:
    OutboxMessage.objects.filter(pk=row.pk).delete()
    Notification.objects.filter(pk=row.pk).update(status=status, settled_at=timezone.now())


@pytest.fixture
def several(ours: World) -> list[Notification]:
    """Ours of the fixture is the oldest; each differs in one thing; oldest first."""
    tenant = ours.tenant
    [test] = post(tenant, email(subject="in test mode"), mode="test")
    [high] = post(tenant, email(subject="soon", priority="high"))
    [marketing] = post(tenant, email(subject="buy", category="marketing"))
    [sms] = post(tenant, {"channel": "sms", "recipient": "+14155550100", "body": "hi"})
    [sent] = post(
        tenant, email(subject="Order 100% sure_thing", recipient="Ada.L@recipient.example")
    )
    _settle(sent, "sent")
    return [ours.notification, test, high, marketing, sms, sent]


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_the_newest_comes_first_over_all_modes(
    who: str, people: People, several: list[Notification]
) -> None:
    assert _listed(people[who]) == _ids(*reversed(several))


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_filters(who: str, people: People, several: list[Notification]) -> None:
    oldest, test, high, marketing, sms, sent = several
    client = people[who]
    assert _listed(client, mode="test") == _ids(test)
    assert _listed(client, priority="high") == _ids(high)
    assert _listed(client, category="marketing") == _ids(marketing)
    assert _listed(client, channel="sms") == _ids(sms)
    assert _listed(client, status="sent") == _ids(sent)
    assert _listed(client, status="queued") == _ids(sms, marketing, high, test, oldest)
    assert _listed(client, status="queued", mode="live", channel="sms") == _ids(sms)
    assert _listed(client, status="failed") == []
    for nonsense in ("status", "mode", "channel", "priority", "category", "hours"):
        assert _listed(client, **{nonsense: "\x00nonsense'"}) == []


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_the_time_filter(who: str, people: People, several: list[Notification]) -> None:
    old = several[0]
    long_ago = timezone.now() - timedelta(hours=30)
    Notification.objects.filter(pk=old.pk).update(created_at=long_ago)
    newer = _ids(*reversed(several[1:]))
    assert _listed(people[who], hours="24") == newer
    # Of an age between: its id is newer than its time, so it stays.
    assert _listed(people[who], hours="168") == [*newer, *_ids(old)]


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_search(who: str, people: People, several: list[Notification]) -> None:
    sent = several[-1]
    client = people[who]
    shown = ids.show("ntf", sent.pk)
    for term in (shown, f" {shown} ", str(sent.pk), "Ada.L@recipient.example", "sure_thing",
                 "100% SURE", "Ada.L@RECIPIENT.example"):  # fmt: skip
        assert _listed(client, q=term)[-1:] == _ids(sent), term
    assert _listed(client, q="+14155550100") == _ids(several[4])
    for term in ("ntf_", shown.lower(), f"{shown}0", "100%sure", "sure%thing", "nobody@x.example"):
        assert {i for i in _listed(client, q=term) if i not in term} == set(), term


def test_an_operator_narrows_to_a_tenant(
    people: People, several: list[Notification], theirs: World
) -> None:
    client = people["operator"]
    assert _listed(client, tenant=str(theirs.tenant.pk)) == _ids(theirs.notification)
    assert _listed(client, tenant=str(several[0].tenant_id)) == _ids(*reversed(several))
    assert _listed(client, tenant="nonsense") == []


def test_a_member_of_two_tenants_sees_both_merged(
    people: People, several: list[Notification], theirs: World
) -> None:
    Member.objects.create(tenant=theirs.tenant, user=people.users["viewer"], role="viewer")
    everything = sorted([*several, theirs.notification], key=lambda row: row.pk, reverse=True)
    assert _listed(people["viewer"]) == _ids(*everything)
    assert _listed(people["viewer"], tenant=str(theirs.tenant.pk)) == _ids(theirs.notification)
    other = Tenant.objects.create(name="third")
    [third] = post(other)
    assert _listed(people["viewer"], tenant=str(other.pk)) == []
    assert ids.show("ntf", third.pk) not in _listed(people["viewer"])


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_pages_are_whole_and_none_is_lost(who: str, people: People, ours: World) -> None:
    made = post(ours.tenant, *[email(subject=f"number {n}") for n in range(60)])
    made += post(ours.tenant, *[email(subject=f"number {n}") for n in range(60)], mode="test")
    # All of one batch have the same time: the id decides.
    pages = [_listed(people[who], p=str(page)) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [50, 50, 21, 0]
    shown = [found for page in pages for found in page]
    everything = [*made, ours.notification]
    assert sorted(shown) == sorted(_ids(*everything))
    times = dict(Notification.objects.values_list("pk", "created_at"))
    order = [(times[ids.parse("ntf", s)], ids.parse("ntf", s)) for s in shown]
    if who == "viewer":
        assert order == sorted(order, reverse=True)


@pytest.mark.parametrize("page", ["0", "-1", "x", "999999999999999999999", "1e9"])
def test_odd_pages(page: str, people: People) -> None:
    assert people["viewer"].get(LIST, {"p": page}).status_code == 200


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_the_list_counts_nothing_and_asks_the_same_however_many_there_are(
    who: str, people: People, ours: World
) -> None:
    client = people[who]

    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(LIST).status_code == 200
        return [query["sql"] for query in captured.captured_queries]

    few = queries()
    post(ours.tenant, *[email() for _ in range(40)])
    many = queries()
    assert len(many) == len(few)
    assert not [sql for sql in many if "COUNT(" in sql and "notifications_notification" in sql]


def test_a_search_through_too_much_says_so(people: People, ours: World) -> None:
    with pytest.raises(TooMuch), patience(0.05), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(1)")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_the_overview_counts_ones_own(people: People, ours: World, theirs: World) -> None:
    post(ours.tenant, *[email() for _ in range(3)])
    _settle(ours.notification, "failed")

    def numbers(who: str) -> list[str]:
        page = people[who].get("/portal/").content.decode()
        return re.findall(r'hiram-number">([^<]+)<', page)

    assert numbers("viewer") == ["4", "0", "1", "3"]
    assert numbers("operator") == ["5", "0", "1", "4"]
    page = people["viewer"].get("/portal/").content.decode()
    assert "OUR provider" in page
    assert f"{CANARY} provider" not in page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 ms"), (0, "0 ms"), (0.037, "37 ms"), (0.9999, "1000 ms"), (1, "1.0 s"),
        (4.2, "4.2 s"), (59.96, "1 min"), (60, "1 min"), (200, "3 min 20 s"), (7_500, "2 h 5 min"),
        (86_400, "1 d"), (273_600, "3 d 4 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert duration_in_words(seconds) == words
