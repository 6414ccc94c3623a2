"""Deciding in the portal: replay, release, drop and cancel, one by one and all that match."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery.audit import audit
from hiram.lib import ids
from notifications.hold import drop, release
from notifications.models import Attempt, DeadLetter, Event, Notification, OutboxMessage
from notifications.replay import replay
from portal.admin import deciding
from portal.queries.wording import DEAD, REASONS
from tenants.models import Member, Tenant
from tests.factories import email, post
from tests.portal.conftest import CANARY, People, World, attempt, dead, held

LIST = "/portal/notifications/notification/"
LETTERS = "/portal/notifications/deadletter/"
REPLAY = f"{LETTERS}replay-many/"
BUILDERS = ("developer", "admin", "owner", "operator")
ODD = '"><script>alert(1)</script>{{ 719*727 }}'


def _page(client: Client, url: str, **query: Any) -> str:
    response = client.get(url, query)
    assert response.status_code == 200, url
    return response.content.decode()


def _said(client: Client, url: str, **query: Any) -> str:
    """What the next page says first."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", _page(client, url, **query))).split())


def _status(row: Notification) -> str:
    return Notification.objects.get(pk=row.pk).status


def _one(row: Notification, verb: str) -> str:
    return f"{LIST}{row.pk}/{verb}/"


def _count(page: str) -> int | None:
    found = re.search(r'name="count" value="(\d+)"', page)
    return int(found[1]) if found else None


def _logged(row: Notification) -> list[str]:
    found = LogEntry.objects.filter(object_id=str(row.pk)).order_by("pk")
    return list(found.values_list("change_message", flat=True))


@pytest.fixture
def failed(ours: World) -> list[Notification]:
    """Ours, oldest first; each differs in one thing."""
    bodies = [email(subject=f"number {n}") for n in range(3)]
    live = post(ours.tenant, *bodies, email(category="marketing"))
    [test] = post(ours.tenant, email(), mode="test")
    [sms] = post(ours.tenant, {"channel": "sms", "recipient": "+14155550100", "body": "hi"})
    rows = [*live, test, sms]
    for row in rows:
        dead(row)
    DeadLetter.objects.filter(notification_id=rows[1].pk).update(reason="poison")
    return rows


# --- The list ------------------------------------------------------------------------------------
def _listed(client: Client, **query: Any) -> list[Any]:
    """The notifications that the rows lead to."""
    page = _page(client, LETTERS, **query)
    return re.findall(r'href="/portal/notifications/notification/([0-9a-f-]{36})/change/', page)


def test_the_list_says_what_failed_and_why_the_newest_first(
    people: People, failed: list[Notification], theirs: World
) -> None:
    assert theirs.letter.closed_at is None
    assert _listed(people["viewer"]) == [str(row.pk) for row in reversed(failed)]
    page = _page(people["viewer"], LETTERS)
    for text in ("ada@recipient.example", "+14155550100", REASONS["poison"], "marketing",
                 "email (test)"):  # fmt: skip
        assert text in page
    assert CANARY not in page
    assert f"{CANARY}@dead.example" in _page(people["operator"], LETTERS)


def test_what_is_closed_is_gone(people: People, failed: list[Notification]) -> None:
    replay([failed[0].pk])
    assert _listed(people["viewer"]) == [str(row.pk) for row in reversed(failed[1:])]
    letter = DeadLetter.objects.get(notification_id=failed[0].pk)
    assert people["owner"].get(f"{LETTERS}{letter.pk}/change/").status_code == 404


def test_filters(people: People, failed: list[Notification], theirs: World) -> None:
    client = people["viewer"]
    _, poison, _, marketing, test, sms = (str(row.pk) for row in failed)
    assert _listed(client, reason="poison") == [poison]
    assert _listed(client, category="marketing") == [marketing]
    assert _listed(client, mode="test") == [test]
    assert _listed(client, channel="sms") == [sms]
    assert _listed(client, channel="sms", reason="poison") == []
    DeadLetter.objects.filter(notification_id=sms).update(
        created_at=timezone.now() - timedelta(hours=30)
    )
    assert len(_listed(client, hours="24")) == 5
    assert _listed(client, hours="168")[-1] == sms
    for nonsense in ("reason", "mode", "channel", "category", "hours"):
        assert _listed(client, **{nonsense: "\x00nonsense'"}) == []
    found = str(theirs.letter.notification_id)
    assert _listed(people["operator"], tenant=str(theirs.tenant.pk)) == [found]


def test_every_reason_has_words() -> None:
    assert set(DEAD) <= set(REASONS)


def test_the_list_asks_the_same_however_many_there_are(people: People, ours: World) -> None:
    developer = people["developer"]

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            _page(developer, LETTERS)
        return len(captured)

    dead(ours.notification)
    few = queries()
    for row in post(ours.tenant, *[email() for _ in range(40)]):
        dead(row)
    assert queries() == few


def test_the_menu_counts_the_open_ones_and_not_for_ever(
    people: People, ours: World, theirs: World
) -> None:
    def badge() -> str | None:
        page = _page(people["viewer"], "/portal/")
        item = page[page.index(f'href="{LETTERS}"') :]
        found = re.search(r"([\d+]+)\s*</span>", item[: item.index("</a>")])
        return found[1] if found else None

    assert theirs.letter.closed_at is None
    assert badge() is None
    dead(ours.notification)
    assert badge() == "1"
    for row in post(ours.tenant, *[email() for _ in range(100)]):
        dead(row)
    with CaptureQueriesContext(connection) as captured:
        assert badge() == "99+"
    asked = [q["sql"] for q in captured.captured_queries if "notifications_deadletter" in q["sql"]]
    assert len(asked) == 1
    assert "LIMIT 100" in asked[0]


# --- One -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["viewer", *BUILDERS])
def test_who_may_replay_one(who: str, people: People, ours: World) -> None:
    dead(ours.notification)
    url, client = _one(ours.notification, "replay"), people[who]
    assert (f'href="{url}"' in _page(client, f"{LIST}{ours.notification.pk}/change/")) == (
        who != "viewer"
    )
    assert client.get(url).status_code == (403 if who == "viewer" else 200)
    assert _status(ours.notification) == "failed", "looking changed it"
    answer = client.post(url)
    if who == "viewer":
        assert (answer.status_code, _status(ours.notification)) == (403, "failed")
        return
    assert answer["Location"] == f"{LIST}{ours.notification.pk}/change/"
    assert "Replayed: it is owed again." in _said(client, answer["Location"])
    assert _status(ours.notification) == "accepted"
    assert _logged(ours.notification) == ["Replayed."]


@pytest.mark.parametrize(
    ("verb", "status", "said"),
    [
        ("release", "accepted", "Released: it is sent again."),
        ("drop", "failed", "Dropped: it has ended as a dead letter."),
    ],
)
@pytest.mark.parametrize("who", ["viewer", *BUILDERS])
def test_who_may_decide_about_one_that_is_held(
    who: str, verb: str, status: str, said: str, people: People, ours: World
) -> None:
    row = held(ours.notification)
    client, url = people[who], _one(row, verb)
    assert (f'href="{url}"' in _page(client, f"{LIST}{row.pk}/change/")) == (who != "viewer")
    if who == "viewer":
        assert [client.get(url).status_code, client.post(url).status_code] == [403, 403]
        assert _status(row) == "held"
        return
    asked = _page(client, url)
    assert ("may then arrive twice" in asked) == (verb == "release")
    assert ("ends as a dead letter" in asked) == (verb == "drop")
    assert _status(row) == "held", "looking changed it"
    assert said in _said(client, client.post(url)["Location"])
    assert (_status(row), len(_logged(row))) == (status, 1)
    assert DeadLetter.objects.filter(notification_id=row.pk).count() == (verb == "drop")


@pytest.mark.parametrize("who", ["viewer", *BUILDERS])
def test_who_may_cancel(who: str, people: People, ours: World) -> None:
    [row] = post(ours.tenant)
    client, url = people[who], _one(row, "cancel")
    assert (f'href="{url}"' in _page(client, f"{LIST}{row.pk}/change/")) == (who != "viewer")
    assert client.get(url).status_code == (403 if who == "viewer" else 200)
    assert _status(row) == "accepted", "looking changed it"
    if who == "viewer":
        assert (client.post(url).status_code, _status(row)) == (403, "accepted")
        return
    assert "stopped: it is not sent." in _said(client, client.post(url)["Location"])
    assert (_status(row), _logged(row)) == ("canceled", ["Stopped."])
    assert not OutboxMessage.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("outcome", ["started", "unknown", "abandoned"])
def test_what_has_left_cannot_be_stopped_and_says_so(
    outcome: str, people: People, ours: World
) -> None:
    [row] = post(ours.tenant)
    attempt(row, outcome=outcome)
    client, url = people["owner"], _one(row, "cancel")
    assert f'href="{url}"' not in _page(client, f"{LIST}{row.pk}/change/")
    assert 'id="decide"' not in _page(client, url)
    assert "already left: " in _said(client, client.post(url)["Location"])
    assert (_status(row), _logged(row)) == ("accepted", [])


def test_a_refused_call_has_not_left(people: People, ours: World) -> None:
    [row] = post(ours.tenant)
    attempt(row, outcome=Attempt.Outcome.REFUSED)
    assert f'href="{_one(row, "cancel")}"' in _page(people["owner"], f"{LIST}{row.pk}/change/")


def test_nothing_is_offered_where_nothing_can_be_decided(people: People, ours: World) -> None:
    [queued] = post(ours.tenant)
    sent, canceled = post(ours.tenant, email(), email())
    for row, status in ((sent, "sent"), (canceled, "canceled")):
        OutboxMessage.objects.filter(pk=row.pk).delete()
        Notification.objects.filter(pk=row.pk).update(status=status, settled_at=timezone.now())
    offered = {
        row.pk: re.findall(
            rf'href="{LIST}{row.pk}/(replay|release|drop|cancel)/"',
            _page(people["owner"], f"{LIST}{row.pk}/change/"),
        )
        for row in (queued, sent, canceled, held(ours.notification))
    }
    assert list(offered.values()) == [["cancel"], [], [], ["release", "drop"]]


@pytest.mark.parametrize("verb", ["replay", "release", "drop"])
def test_somebody_was_quicker(verb: str, people: People, ours: World) -> None:
    row = ours.notification
    quicker = {"replay": replay, "release": release, "drop": drop}[verb]
    dead(row) if verb == "replay" else held(row)
    client, url = people["owner"], _one(row, verb)
    assert 'id="decide"' in _page(client, url)
    quicker([row.pk])
    before = Notification.objects.filter(pk=row.pk).values().get()
    events = Event.objects.filter(notification_id=row.pk).count()
    assert "Nothing was done:" in _said(client, client.post(url)["Location"])
    assert Notification.objects.filter(pk=row.pk).values().get() == before
    assert Event.objects.filter(notification_id=row.pk).count() == events
    assert _logged(row) == []
    assert 'id="decide"' not in _page(client, url)


def test_what_is_held_past_its_time_is_not_released(people: People, ours: World) -> None:
    row = held(ours.notification)
    Notification.objects.filter(pk=row.pk).update(expires_at=timezone.now())
    client = people["owner"]
    assert "its time is over" in _said(client, client.post(_one(row, "release"))["Location"])
    assert _status(row) == "held"


def test_the_content_of_hirams_own_mails_stays_hidden(people: People, ours: World) -> None:
    Tenant.objects.filter(pk=ours.tenant.pk).update(is_system=True)
    dead(ours.notification)
    for url in (LETTERS, _one(ours.notification, "replay"), REPLAY):
        page = _page(people["operator"], url)
        assert "OUR text" not in page
        assert "OUR html" not in page


# --- Many ----------------------------------------------------------------------------------------
def _go(client: Client, url: str, count: int, /, pace: str = "", **query: Any) -> Any:
    form = {"count": str(count), "begun": "0", "per_second": pace}
    return client.post(url, form, query_params=query)


@pytest.mark.parametrize("who", BUILDERS)
def test_all_that_match_are_replayed_and_no_other(
    who: str, people: People, failed: list[Notification], theirs: World
) -> None:
    client, foreign = people[who], theirs.letter
    query = {"reason": "bad_address", "mode": "live", "channel": "email"}
    if who == "operator":
        query["tenant"] = str(failed[0].tenant_id)
    listed = _page(client, LETTERS, **query)
    [address] = re.findall(rf'href="({REPLAY}\?[^"]+)"', listed)
    page = _page(client, unescape(address))
    assert _count(page) == 3
    assert OutboxMessage.objects.filter(pk__in=[row.pk for row in failed]).count() == 0
    answer = client.post(unescape(address), {"count": "3", "begun": "0", "per_second": ""})
    assert (answer.status_code, answer["Location"]) == (302, LETTERS)
    assert "3 replayed." in _said(client, LETTERS)
    statuses = [_status(row) for row in failed]
    assert statuses == ["accepted", "failed", "accepted", "accepted", "failed", "failed"]
    assert [_logged(row) for row in failed] == [
        ["Replayed."] if status == "accepted" else [] for status in statuses
    ]
    assert DeadLetter.objects.get(pk=foreign.pk).closed_at is None


def test_the_chosen_are_replayed_and_no_other(
    people: People, failed: list[Notification], theirs: World
) -> None:
    client = people["developer"]
    page = _page(client, LETTERS)
    boxes = re.findall(r'<input type="checkbox" form="choose" name="id" value="([^"]+)"', page)
    assert boxes == [str(row.pk) for row in reversed(failed)]
    chosen = ["", boxes[0], boxes[2], str(theirs.letter.notification_id), "nonsense"]
    assert _count(_page(client, REPLAY, id=chosen)) == 2
    _go(client, REPLAY, 2, id=chosen)
    assert [_status(row) for row in failed] == [
        "failed", "failed", "failed", "accepted", "failed", "accepted",
    ]  # fmt: skip
    assert _count(_page(client, REPLAY, id="")) is None, "none chosen is not all"
    assert 'form="choose"' not in _page(people["viewer"], LETTERS)


def test_a_pace_spreads_them_and_goes_on_where_it_was(
    people: People, failed: list[Notification]
) -> None:
    client = people["owner"]
    _go(client, REPLAY, 2, pace="0.5")
    form = {"count": "2", "begun": "2", "per_second": "0.5"}
    client.post(REPLAY, form)
    due = OutboxMessage.objects.filter(pk__in=[row.pk for row in failed]).order_by("pk")
    first, *others = due.values_list("due_at", flat=True)
    waits = [(at - first).total_seconds() for at in others]
    assert [round(wait / 2) for wait in waits] == [1, 2, 3]


@pytest.mark.parametrize("wrong", ["0", "-1", "x", "nan", "inf", "1001", "1e-9"])
def test_a_wrong_pace_does_nothing(wrong: str, people: People, failed: list[Notification]) -> None:
    answer = _go(people["owner"], REPLAY, 6, pace=wrong)
    assert answer.status_code == 200
    assert _count(answer.content.decode()) == 6
    assert {_status(row) for row in failed} == {"failed"}


@pytest.mark.parametrize(
    "form", [{}, {"count": "0", "begun": "0"}, {"count": "6"}, {"count": "x", "begun": "0"}]
)
def test_without_what_was_seen_nothing_is_done(
    form: dict[str, str], people: People, failed: list[Notification]
) -> None:
    assert people["owner"].post(REPLAY, form).status_code == 200
    assert {_status(row) for row in failed} == {"failed"}


def test_no_more_than_were_seen(people: People, failed: list[Notification]) -> None:
    _go(people["owner"], REPLAY, 4)
    assert [_status(row) for row in failed] == ["accepted"] * 4 + ["failed"] * 2


def test_those_that_others_replayed_meanwhile_are_told_apart(
    people: People, failed: list[Notification]
) -> None:
    client = people["owner"]
    assert _count(_page(client, REPLAY)) == 6
    replay([failed[0].pk, failed[5].pk])
    _go(client, REPLAY, 6)
    assert "4 replayed. 2 had changed meanwhile." in _said(client, LETTERS)
    assert Event.objects.filter(type="notification.replayed").count() == 6
    assert _count(_page(client, REPLAY)) is None


@pytest.mark.parametrize("odd", ["reson", "o", "created_at__gt", "_to_field"])
def test_a_filter_that_is_none_is_refused(
    odd: str, people: People, failed: list[Notification]
) -> None:
    for url in (REPLAY, f"{LIST}release-many/", f"{LIST}drop-many/"):
        assert people["owner"].get(url, {odd: "1"}).status_code == 400
        assert _go(people["owner"], url, 9, **{odd: "1"}).status_code == 400
    assert {_status(row) for row in failed} == {"failed"}


def test_a_made_up_value_matches_nothing(people: People, failed: list[Notification]) -> None:
    assert _count(_page(people["owner"], REPLAY, reason="nonsense")) is None
    _go(people["owner"], REPLAY, 9, reason="nonsense")
    assert {_status(row) for row in failed} == {"failed"}


@pytest.mark.parametrize("odd", ["\x00", "a\x00@b.example", "%", "ntf_\x00"])
def test_a_search_for_odd_texts_finds_nothing(odd: str, people: People, ours: World) -> None:
    row = held(ours.notification)
    query = {"status": "held", "q": odd}
    assert people["owner"].get(LIST, query).status_code == 200
    assert _count(_page(people["owner"], f"{LIST}drop-many/", **query)) is None
    _go(people["owner"], f"{LIST}drop-many/", 9, **query)
    assert _status(row) == "held"


def test_in_chunks_and_for_a_bounded_time(
    people: People, failed: list[Notification], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "CHUNK", 2)
    clock = iter([0, 1, 2, deciding.WORK_SECONDS + 1])
    monkeypatch.setattr(deciding, "monotonic", lambda: next(clock))
    client = people["owner"]
    answer = _go(client, REPLAY, 6, pace="100")
    page = answer.content.decode()
    assert "4 replayed. 2 are left: go on." in page
    assert (answer.status_code, _count(page)) == (200, 2)
    assert 'name="begun" value="4"' in page
    assert 'value="100' in page
    monkeypatch.undo()
    client.post(REPLAY, {"count": "2", "begun": "4", "per_second": "100"})
    assert {_status(row) for row in failed} == {"accepted"}


def test_a_database_that_goes_away_is_told_with_what_was_done(
    people: People, failed: list[Notification], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "CHUNK", 2)
    real = deciding.note
    calls: list[None] = []

    def note(*given: Any) -> None:
        calls.append(real(*given))
        if len(calls) == 2:
            raise OperationalError("gone")

    monkeypatch.setattr(deciding, "note", note)
    answer = _go(people["owner"], REPLAY, 6)
    assert answer["Location"] == LETTERS
    assert "4 replayed. Then the database did not answer" in _said(people["owner"], LETTERS)


def test_whose_role_is_less_in_another_tenant_decides_only_in_his(
    people: People, failed: list[Notification], theirs: World
) -> None:
    Member.objects.create(tenant=theirs.tenant, user=people.users["developer"], role="viewer")
    client, foreign = people["developer"], str(theirs.letter.notification_id)
    page = _page(client, LETTERS)
    assert foreign in page
    assert f'name="id" value="{foreign}"' not in page
    assert _count(_page(client, REPLAY)) == 6
    assert _count(_page(client, REPLAY, tenant=str(theirs.tenant.pk))) is None
    _go(client, REPLAY, 99)
    assert {_status(row) for row in failed} == {"accepted"}
    assert DeadLetter.objects.get(pk=theirs.letter.pk).closed_at is None
    assert client.get(f"{LIST}{foreign}/replay/").status_code == 403


@pytest.mark.parametrize(("verb", "status"), [("release", "accepted"), ("drop", "failed")])
def test_all_that_are_held_and_match(
    verb: str, status: str, people: People, ours: World, theirs: World
) -> None:
    rows = [
        held(row)
        for row in post(ours.tenant, *[email(category=c) for c in ("marketing", "marketing",
                                                                   "operational")])
    ]  # fmt: skip
    [queued] = post(ours.tenant, email(category="marketing"))
    held(theirs.notification)
    client, many = people["developer"], f"{LIST}{verb}-many/"
    assert f'"{many}' not in _page(client, LIST, category="marketing")
    assert f'"{many}' not in _page(people["viewer"], LIST, status="held")
    listed = _page(client, LIST, status="held", category="marketing")
    [address] = re.findall(rf'href="({many}[^"]*)"', listed)
    page = _page(client, unescape(address))
    assert (_count(page), "per_second" in page) == (2, False)
    assert {_status(row) for row in rows} == {"held"}
    answer = client.post(unescape(address), {"count": "2", "begun": "0"})
    assert answer["Location"] == LIST
    assert f"2 {verb}{'d' if verb == 'release' else 'ped'}." in _said(client, LIST)
    assert [_status(row) for row in rows] == [status, status, "held"]
    assert [_status(queued), _status(theirs.notification)] == ["accepted", "held"]
    # Without the filter by status, too, only what is held is meant.
    assert _count(_page(client, many)) == 1


def test_many_that_are_held_are_found_by_a_search_too(people: People, ours: World) -> None:
    one, other = (held(row) for row in post(ours.tenant, email(subject="this"), email()))
    query = {"status": "held", "q": "this"}
    page = _page(people["owner"], LIST, **query)
    [address] = re.findall(rf'href="({LIST}release-many/[^"]*)"', page)
    people["owner"].post(unescape(address), {"count": "9", "begun": "0"})
    assert [_status(one), _status(other)] == ["accepted", "held"]


@pytest.mark.django_db(transaction=True)
def test_whatever_is_decided_the_books_are_right(people: People, ours: World) -> None:
    rows = post(ours.tenant, *[email() for _ in range(6)])
    for verb, row in zip(("replay", "release", "drop"), rows, strict=False):
        dead(row) if verb == "replay" else held(row)
        people["owner"].post(_one(row, verb))
    people["owner"].post(_one(rows[3], "cancel"))
    dead(rows[4])
    _go(people["owner"], REPLAY, 9)
    held(rows[5])
    people["owner"].post(f"{LIST}drop-many/", {"count": "9", "begun": "0"})
    assert [_status(row) for row in rows] == [
        "accepted", "accepted", "accepted", "canceled", "accepted", "failed",
    ]  # fmt: skip
    assert audit().broken == []


def test_texts_of_others_are_texts(people: People, ours: World) -> None:
    rows = post(ours.tenant, email(subject=ODD), email(subject=ODD))
    dead(rows[0], reason=ODD[:60], detail=ODD)
    Notification.objects.filter(pk=rows[0].pk).update(recipient=ODD, category="<b>x")
    held(rows[1])
    letter = DeadLetter.objects.get(notification_id=rows[0].pk)
    pages = [
        _page(people["owner"], LETTERS),
        _page(people["owner"], f"{LETTERS}{letter.pk}/change/"),
        _page(people["owner"], REPLAY, reason=ODD),
        _page(people["owner"], _one(rows[0], "replay")),
        _page(people["owner"], f"{LIST}drop-many/", q=ODD, status="held"),
        _page(people["owner"], LIST, q=ODD, status="held"),
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "<b>x" not in page
        assert "522713" not in page
        for expression in re.findall(r'\b(?:x-[\w:.-]+|on\w+|@[\w.]+)="([^"]*)"', page):
            assert "alert(1)" not in unescape(expression)


def test_a_notification_is_found_by_its_public_id_too(people: People, ours: World) -> None:
    dead(ours.notification)
    shown = ids.show("ntf", ours.notification.pk)
    people["owner"].post(f"{LIST}{shown}/replay/")
    assert _status(ours.notification) == "accepted"
