"""`scheduled_at`, `expires_at`, `ttl_seconds`: what is stored, shown and refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F

from hiram.lib import ids, rfc3339
from hiram.lib.doorbell import doorbell
from notifications.channel import LONGEST_SECONDS
from notifications.models import Event, IdempotencyRecord, Lane, Notification, OutboxMessage
from tests.factories import email
from tests.notifications.calls import BATCH, PATH, Api

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
YEAR = timedelta(seconds=LONGEST_SECONDS)
TTL = timedelta(seconds=settings.TTL_SECONDS)


def ahead(**parts: float) -> str:
    """So long from now, as text; negative for the past."""
    return rfc3339.show(datetime.now(UTC) + timedelta(**parts))


def stored(live: Api, **fields: Any) -> Notification:
    said = live.post(email(**fields))
    assert said.status == 202, said.body
    return Notification.objects.get(pk=ids.parse("ntf", said.body["id"]))


def test_a_scheduled_one_waits_for_its_time(live: Api) -> None:
    at = ahead(hours=1)
    said = live.post(email(scheduled_at=at))
    assert (said.status, said.body["status"]) == (202, "scheduled")
    row, owed = Notification.objects.get(), OutboxMessage.objects.get()
    assert (row.status, row.settled_at) == ("scheduled", None)
    assert row.scheduled_at == owed.due_at == rfc3339.parse(at)
    assert row.expires_at == owed.expires_at == owed.due_at + TTL
    events = Event.objects.order_by("transaction", "id")
    assert [e.type for e in events] == ["notification.accepted", "notification.scheduled"]
    assert {e.notification_id for e in events} == {row.pk}
    shown = live.one(said.body["id"])
    assert (shown["status"], shown["reason"], shown["next_attempt_at"]) == (
        "scheduled", None, None,
    )  # fmt: skip
    assert shown["scheduled_at"] == at
    assert live.listed("status=scheduled") == [shown["id"]]
    for other in ("accepted", "queued", "sending"):
        assert live.listed(f"status={other}") == []


def test_when_its_time_has_come_it_is_queued(live: Api) -> None:
    row = stored(live, scheduled_at=ahead(hours=1))
    OutboxMessage.objects.update(due_at=row.created_at)
    shown = ids.show("ntf", row.pk)
    assert live.one(shown)["status"] == "queued"
    assert live.listed("status=queued") == [shown]
    assert live.listed("status=scheduled") == []


def test_in_a_paused_lane_it_waits_for_its_time_and_then_says_for_what(live: Api) -> None:
    row = stored(live, scheduled_at=ahead(hours=1))
    Lane.objects.update(paused_at=row.created_at, reason="no_provider")
    shown = ids.show("ntf", row.pk)
    assert (live.one(shown)["status"], live.one(shown)["reason"]) == ("scheduled", None)
    assert live.listed("status=scheduled") == [shown]
    OutboxMessage.objects.update(due_at=row.created_at)
    assert (live.one(shown)["status"], live.one(shown)["reason"]) == ("accepted", "no_provider")
    assert live.listed("status=accepted") == [shown]


@pytest.mark.parametrize("offset", ["Z", "+00:00", "+05:45", "-11:00"])
def test_any_offset_is_the_same_moment(live: Api, offset: str) -> None:
    at = (datetime.now(UTC) + 24 * HOUR).replace(microsecond=0, tzinfo=None)
    hours = {"+05:45": timedelta(hours=5, minutes=45), "-11:00": -11 * HOUR}
    row = stored(live, scheduled_at=f"{(at + hours.get(offset, timedelta())).isoformat()}{offset}")
    assert row.scheduled_at == at.replace(tzinfo=UTC)


@pytest.mark.parametrize("seconds", [0, -1, -55])
def test_what_is_just_past_is_sent_at_once(live: Api, seconds: int) -> None:
    said = live.post(email(scheduled_at=ahead(seconds=seconds)))
    assert (said.status, said.body["status"]) == (202, "accepted")
    row, owed = Notification.objects.get(), OutboxMessage.objects.get()
    assert (row.status, row.scheduled_at) == ("accepted", None)
    assert owed.due_at == row.created_at
    assert row.expires_at == row.created_at + TTL
    assert Event.objects.get().type == "notification.accepted"


def test_expires_at_is_taken_as_it_is(live: Api) -> None:
    at = ahead(minutes=10)
    row = stored(live, expires_at=at)
    assert (row.status, row.expires_at) == ("accepted", rfc3339.parse(at))
    assert OutboxMessage.objects.get().expires_at == row.expires_at
    assert live.one(ids.show("ntf", row.pk))["expires_at"] == at


@pytest.mark.parametrize("seconds", [1, 600, LONGEST_SECONDS])
def test_ttl_counts_from_now_or_from_the_schedule(live: Api, seconds: int) -> None:
    row = stored(live, ttl_seconds=seconds)
    assert row.expires_at - row.created_at == timedelta(seconds=seconds)
    at = ahead(hours=1)
    late = stored(live, ttl_seconds=seconds, scheduled_at=at)
    assert late.expires_at - rfc3339.parse(at) == timedelta(seconds=seconds)
    for owed in OutboxMessage.objects.all():
        assert owed.expires_at == Notification.objects.get(pk=owed.pk).expires_at


def test_limits_are_reached(live: Api) -> None:
    at = datetime.now(UTC) + YEAR - timedelta(seconds=5)
    end = rfc3339.show(at + YEAR)
    row = stored(live, scheduled_at=rfc3339.show(at), expires_at=end)
    assert (row.scheduled_at, rfc3339.show(row.expires_at)) == (at, end)


FORM = "This must be a date and time with an offset, such as 2026-01-31T12:00:00Z."
REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    ({"scheduled_at": ("seconds", -65)}, "/scheduled_at", "in_the_past",
     "This must be in the future."),
    ({"scheduled_at": ("days", 366)}, "/scheduled_at", "invalid", "This must be within a year."),
    ({"scheduled_at": 1_800_000_000}, "/scheduled_at", "type", "This must be a string."),
    ({"scheduled_at": True}, "/scheduled_at", "type", "This must be a string."),
    ({"scheduled_at": []}, "/scheduled_at", "type", "This must be a string."),
    ({"scheduled_at": ""}, "/scheduled_at", "invalid", FORM),
    ({"scheduled_at": "tomorrow"}, "/scheduled_at", "invalid", FORM),
    ({"scheduled_at": "2027-01-31"}, "/scheduled_at", "invalid", FORM),
    ({"scheduled_at": "2027-01-31T12:00:00"}, "/scheduled_at", "invalid", FORM),
    ({"scheduled_at": "2027-02-30T12:00:00Z"}, "/scheduled_at", "invalid",
     "This must be a date and time that exists."),
    ({"scheduled_at": "9999-12-31T23:59:59-23:59"}, "/scheduled_at", "invalid",
     "This must be a date and time that exists."),
    ({"scheduled_at": "9999-12-31T23:59:59Z"}, "/scheduled_at", "invalid",
     "This must be within a year."),
    ({"expires_at": ("seconds", -1)}, "/expires_at", "in_the_past", "This must be in the future."),
    ({"expires_at": ("days", 366)}, "/expires_at", "invalid",
     "This must be within a year after it is to be sent."),
    ({"expires_at": "soon"}, "/expires_at", "invalid", FORM),
    ({"scheduled_at": ("hours", 2), "expires_at": ("hours", 1)}, "/expires_at", "invalid",
     "This must be after scheduled_at."),
    ({"ttl_seconds": 0}, "/ttl_seconds", "out_of_range", "This must be at least 1."),
    ({"ttl_seconds": -1}, "/ttl_seconds", "out_of_range", "This must be at least 1."),
    ({"ttl_seconds": LONGEST_SECONDS + 1}, "/ttl_seconds", "out_of_range",
     f"This must be at most {LONGEST_SECONDS}."),
    ({"ttl_seconds": 2**50}, "/ttl_seconds", "out_of_range",
     f"This must be at most {LONGEST_SECONDS}."),
    ({"ttl_seconds": True}, "/ttl_seconds", "type", "This must be a whole number."),
    ({"ttl_seconds": 1.5}, "/ttl_seconds", "type", "This must be a whole number."),
    ({"ttl_seconds": "600"}, "/ttl_seconds", "type", "This must be a whole number."),
    ({"ttl_seconds": 600, "expires_at": ("hours", 1)}, "/ttl_seconds", "invalid",
     "This must not be given together with expires_at."),
]  # fmt: skip


def filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: ahead(**{value[0]: value[1]}) if isinstance(value, tuple) else value
        for name, value in fields.items()
    }


@pytest.mark.parametrize(("fields", "pointer", "code", "detail"), REFUSED)
def test_a_mistake_is_pointed_at(
    live: Api, fields: dict[str, Any], pointer: str, code: str, detail: str
) -> None:
    said = live.post(email(**filled(fields)))
    assert (said.status, said.errors, said.details) == (422, [(pointer, code)], [detail])
    said = live.batch(email(), email(**filled(fields)))
    assert (said.status, said.errors) == (422, [(f"/notifications/1{pointer}", code)])
    assert not Notification.objects.exists()


def test_null_is_as_if_left_out(live: Api) -> None:
    row = stored(live, scheduled_at=None, expires_at=None, ttl_seconds=None)
    assert (row.status, row.expires_at - row.created_at) == ("accepted", TTL)


def test_a_batch_has_a_time_for_each(live: Api) -> None:
    at = ahead(days=1)
    said = live.batch(email(scheduled_at=at), email(ttl_seconds=60), email(expires_at=at))
    assert [item["status"] for item in said.body["data"]] == ["scheduled", "accepted", "accepted"]
    rows = [
        Notification.objects.get(pk=ids.parse("ntf", item["id"])) for item in said.body["data"]
    ]
    assert [row.status for row in rows] == ["scheduled", "accepted", "accepted"]
    assert rows[1].expires_at - rows[1].created_at == timedelta(seconds=60)
    assert rows[2].expires_at == rfc3339.parse(at)
    assert Event.objects.filter(type="notification.accepted").count() == 3
    assert Event.objects.get(type="notification.scheduled").notification_id == rows[0].pk


class TestRepeated:
    """The first answer is the answer, however late somebody asks again."""

    @pytest.fixture
    def body(self) -> dict[str, Any]:
        return email(scheduled_at=ahead(seconds=-58.5), metadata={"a": "b"})

    def wait_until_it_is_too_late(self, live: Api, body: dict[str, Any]) -> None:
        until = datetime.now(UTC) + timedelta(seconds=5)
        while live.post(body).status == 202:
            assert datetime.now(UTC) < until

    def test_alone(self, live: Api, body: dict[str, Any]) -> None:
        first = live.post(body, Idempotency_Key="k")
        assert first.status == 202
        self.wait_until_it_is_too_late(live, body)
        again = live.post(body, Idempotency_Key="k")
        assert (again.status, again.body) == (202, first.body)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers["Location"] == first.headers["Location"]
        other = live.post(body | {"subject": "Other"}, Idempotency_Key="k")
        assert (other.status, other.code) == (422, "idempotency-key-reused")
        assert live.post(body, Idempotency_Key="new").errors == [("/scheduled_at", "in_the_past")]

    @pytest.mark.parametrize("mode", ["atomic", "partial"])
    def test_in_a_batch(self, live: Api, body: dict[str, Any], mode: str) -> None:
        first = live.batch(email(), body, mode=mode, Idempotency_Key="k")
        assert first.body["accepted"] == 2
        self.wait_until_it_is_too_late(live, body)
        again = live.batch(email(), body, mode=mode, Idempotency_Key="k")
        assert (again.status, again.body) == (202, first.body)
        assert again.headers["Idempotency-Replayed"] == "true"

    def test_a_key_that_is_forgotten_is_as_new(self, live: Api, body: dict[str, Any]) -> None:
        live.post(body, Idempotency_Key="k")
        self.wait_until_it_is_too_late(live, body)
        IdempotencyRecord.objects.update(expires_at=F("created_at") - HOUR)
        assert live.post(body, Idempotency_Key="k").errors == [("/scheduled_at", "in_the_past")]


class TestDoorbell:
    @pytest.fixture
    def rings(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        rung: list[int] = []
        monkeypatch.setattr(doorbell, "ring", lambda: rung.append(1))
        return rung

    @pytest.mark.parametrize(("path", "body", "count"), [
        (PATH, [False], 1), (PATH, [True], 0), (BATCH, [True, True], 0), (BATCH, [True, False], 1),
    ])  # fmt: skip
    def test_it_rings_only_for_what_is_due_now(
        self, live: Api, rings: list[int], path: str, body: list[bool], count: int
    ) -> None:
        bodies = [email(scheduled_at=ahead(hours=1) if later else None) for later in body]
        said = live.post(bodies[0] if path == PATH else {"notifications": bodies}, path)
        assert said.status == 202
        assert len(rings) == count
