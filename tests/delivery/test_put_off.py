"""Put off for its user: how long it lives, who else may decide meanwhile, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from delivery import compose as composing
from delivery.audit import audit
from delivery.claim import Claim, claim
from delivery.compose import compose
from delivery.deliver import prepare
from delivery.settle import end, stuck
from delivery.work import Fate, Stuck
from notifications.models import Notification, OutboxMessage, Preference, Subscriber
from notifications.quiet import leaves_a_moment
from notifications.replay import replay
from notifications.undisturbed import asked, until
from tenants.models import CategoryPolicy
from tests.delivery.night import HOUR, come, morning, quiet, record, waits
from tests.delivery.receipts.conftest import types
from tests.delivery.test_cancel_race import cancel_one, submit
from tests.delivery.test_claim import wait_for_a_blocked_backend
from tests.factories import email, make_user, to_user
from tests.notifications.test_quiet import TURNING, allowed, spans, turns, utc, windows

pytestmark = pytest.mark.django_db(transaction=True)


class TestLifetime:
    def test_seconds_to_live_are_not_those_of_the_night(self, tenant, provider, run):
        [one] = to_user(tenant, "u1", email(ttl_seconds=600))
        ready = quiet(tenant)
        before, now = one.expires_at, timezone.now()
        assert run() == 0
        row = waits(one, ready)
        assert row.expires_at == one.expires_at
        assert abs(one.expires_at - before - (ready - now)) < timedelta(seconds=5)
        assert one.expires_at > ready

    def test_after_a_replay_they_are_not_either(self, tenant, provider, run, simulator):
        simulator.order(target="smtp", kind="status", code=550, enhanced="5.1.1", times=1)
        moment = (timezone.now() + HOUR / 2).isoformat()
        [one] = to_user(tenant, "u1", email(expires_at=moment))
        run()
        ready = quiet(tenant)
        replay([one.pk])
        run()
        waits(one, ready)
        assert one.expires_at > ready + timedelta(days=3) - timedelta(minutes=1)

    def test_a_moment_that_was_asked_for_stays(self, tenant, provider, run, simulator):
        moment = timezone.now() + HOUR / 2
        [one] = to_user(tenant, "u1", email(expires_at=moment.isoformat()))
        ready = quiet(tenant)
        assert run() == 0
        row = OutboxMessage.objects.get()
        assert row.due_at == row.expires_at == moment
        seen = record(one)
        assert (one.expires_at, one.scheduled_at) == (moment, ready)
        assert (seen["status"], seen["reason"]) == ("scheduled", "quiet_hours")
        past = timezone.now() - HOUR
        OutboxMessage.objects.update(due_at=past, expires_at=past)
        assert run() == 0
        assert (record(one)["status"], record(one)["reason"]) == ("expired", "expired")
        assert simulator.count() == 0
        assert audit().broken == []

    def test_an_erasure_is_not_put_off(self, tenant, provider, run):
        [one] = to_user(tenant)
        quiet(tenant)
        plan = composed(claim(1))
        over = timezone.now()
        OutboxMessage.objects.update(expires_at=over)
        end(stuck(plan))
        row = OutboxMessage.objects.get(pk=one.pk)
        assert row.due_at == row.expires_at == over
        assert run() == 0
        assert record(one)["status"] == "expired"

    def test_what_a_missed_run_drops_is_not_what_waited_for_its_user(self, tenant, provider, run):
        CategoryPolicy.objects.create(tenant=tenant, category="transactional", missed_run="drop")
        at = (timezone.now() + HOUR).isoformat()
        [one] = to_user(tenant, "u1", email(scheduled_at=at))
        Notification.objects.update(scheduled_at=timezone.now() - timedelta(seconds=30))
        ready = quiet(tenant)
        come()
        assert run() == 0
        waits(one, ready)
        morning()
        assert run() == 1


def composed(claims: list[Claim]) -> list[Stuck]:
    """What is to be put off, decided and not yet written."""
    plan = [one for one in compose(claims) if isinstance(one, Stuck)]
    assert [one.fate for one in plan] == [Fate.DEFER] * len(claims)
    return plan


class TestRaces:
    @pytest.fixture
    def pool(self) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(2) as threads:
            yield threads

    def test_a_lost_lease_changes_nothing(self, tenant, provider, run):
        [one] = to_user(tenant)
        quiet(tenant)
        late = composed(claim(1))
        OutboxMessage.objects.update(due_at=timezone.now())
        [now] = claim(1)
        before = OutboxMessage.objects.values().get()
        end(stuck(late))
        assert OutboxMessage.objects.values().get() == before
        assert (before["fence"], before["claims"]) == (now.fence, 2)
        assert before["leased_by"] is not None
        one.refresh_from_db()
        assert (one.status, one.scheduled_at, one.reason) == ("accepted", None, None)
        assert types(one) == ["accepted"]

    def test_what_was_sent_meanwhile_is_not_owed_again(self, tenant, provider, run):
        [one] = to_user(tenant)
        quiet(tenant)
        late = composed(claim(1))
        morning()
        assert run() == 1
        end(stuck(late))
        assert record(one)["status"] == "sent"
        assert not OutboxMessage.objects.exists()
        assert types(one) == ["accepted", "attempted", "sent"]

    def test_canceled_while_it_waits_to_be_put_off(self, tenant, provider, pool):
        [one] = to_user(tenant)
        quiet(tenant)
        claims = claim(1)
        with transaction.atomic():
            assert cancel_one(one.pk).stopped == [one.pk]
            works = submit(pool, prepare, claims)
            wait_for_a_blocked_backend()
        assert works.result(10) == []
        assert types(one) == ["accepted", "canceled"]
        assert not OutboxMessage.objects.exists()
        assert audit().broken == []

    def test_put_off_while_a_cancel_waits_it_is_canceled(self, tenant, provider, pool):
        [one] = to_user(tenant)
        quiet(tenant)
        claims = claim(1)
        with transaction.atomic():
            assert prepare(claims) == []
            said = submit(pool, cancel_one, one.pk)
            wait_for_a_blocked_backend()
        assert said.result(10).stopped == [one.pk]
        assert types(one) == ["accepted", "scheduled", "canceled"]
        assert record(one)["reason"] is None
        assert audit().broken == []


def test_those_behind_it_wait_for_their_turn(tenant, provider, run):
    [first] = to_user(tenant, "u1", email(ordering_key="k"))
    [second] = to_user(tenant, "u2", email(ordering_key="k"))
    [other] = to_user(tenant, "u2", email(ordering_key="other"))
    ready = quiet(tenant)
    assert run() == 1
    assert record(other)["status"] == "sent"
    waits(first, ready)
    assert record(second)["reason"] == "ordering_key"
    morning_of_first = OutboxMessage.objects.filter(pk=first.pk)
    Preference.objects.all().delete()
    morning_of_first.update(due_at=timezone.now())
    assert run() == 2
    sent = Notification.objects.filter(pk__in=[first.pk, second.pk]).order_by("sent_at")
    assert [row.pk for row in sent] == [first.pk, second.pk]


@pytest.mark.parametrize("count", [1, 10])
def test_it_costs_no_query(tenant, provider, count):
    """Neither those who want no quiet, nor those who do."""
    asked_of = []
    for n, user_id in enumerate(["u1", "u2"] * count):
        if n < 2 and user_id == "u1":
            quiet(tenant, "u1")
        to_user(tenant, user_id, email(recipient=f"{user_id}-{n}@recipient.example"))
    claims = claim(2 * count)
    for user_id in ("u1", "u2"):
        mine = set(Notification.objects.filter(user_id=user_id).values_list("pk", flat=True))
        with CaptureQueriesContext(connection) as seen:
            plan = compose([one for one in claims if one.id in mine])
        assert {isinstance(one, Stuck) for one in plan} == {user_id == "u1"}
        looks = [q["sql"] for q in seen if "notifications_preference" in q["sql"]]
        assert len(looks) == 1
        assert "notifications_content" in looks[0]
        asked_of.append(len(seen))
    assert asked_of[0] <= asked_of[1]


def test_the_wishes_are_read_by_their_indexes(tenant):
    [one] = to_user(tenant)
    known = {"tenant": tenant, "mode": "live"}
    Subscriber.objects.bulk_create(Subscriber(**known, user_id=f"n{n}") for n in range(1_000))
    Preference.objects.bulk_create(Preference(**known, user_id=f"n{n}") for n in range(1_000))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE notifications_subscriber, notifications_preference")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + composing._LOAD, [[one.pk]])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "using preference_once" in plan
    assert "using subscriber_once" in plan
    assert "Seq Scan" not in plan


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(TURNING),
    st.integers(2024, 2030),
    st.integers(0, 3),
    st.timedeltas(timedelta(hours=-30), timedelta(hours=6)),
    st.one_of(st.none(), spans),
    windows,
    st.lists(st.timedeltas(timedelta(minutes=1), timedelta(hours=30)), max_size=5),
    st.floats(0, 0.999),
)
def test_through_a_change_of_the_clock_no_try_is_made_in_the_quiet(  # noqa: PLR0913
    zone: str, year: int, nth: int, before: timedelta, hours: Any, sends: Any,
    backoff: list[timedelta], part: float,
) -> None:  # fmt: skip
    """However often it is tried: it goes at moments that are allowed, and always once more."""
    assume(leaves_a_moment(hours, sends))
    changes = turns(zone, year) or [utc(f"{year}-03-29T01:00")]
    at = changes[nth % len(changes)] + before

    def put_off(moment: datetime) -> datetime | None:
        known = {
            "at": moment.isoformat(), "priority": "normal", "category": "operational",
            "timezone": zone, "fallback": "UTC", "quiet_hours": hours, "send_windows": sends,
        }  # fmt: skip
        return until(json.dumps(known))

    for wait in (timedelta(), *backoff):
        at += wait
        ready = put_off(at)
        assert (ready is None) == allowed(at, zone, hours, sends)
        if ready is not None:
            assert ready > at
            # Asked again too early, it is told the same; at that moment, it goes.
            assert put_off(at + (ready - at) * part) == ready
            assert put_off(ready) is None
            at = ready


def test_it_is_asked_what_accept_is_asked(tenant):
    """The tenant's zone where the user has none, and both kinds of wishes as they are stored."""
    window = [{"days": ["mon"], "start": "08:00", "end": "20:00"}]
    span = {"start": "22:00", "end": "07:00"}
    make_user(tenant, timezone=None)
    said = Preference.objects.create(tenant=tenant, mode="live", user_id="u1")
    [one] = to_user(tenant, "u1", email(priority="bulk", category="operational"))

    def found() -> Any:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {asked(row='n')} FROM notifications_notification n WHERE id = %s",  # noqa: S608
                [one.pk],
            )
            (text,) = cursor.fetchone()
        return text and json.loads(text)

    assert found() is None
    for hours, sends in ((span, []), (None, window), (span, window)):
        said.quiet_hours, said.send_windows = hours, sends
        said.save()
        known = found()
        at = datetime.fromisoformat(known.pop("at"))
        assert abs(at - timezone.now()) < timedelta(minutes=1)
        assert known == {
            "priority": "bulk", "category": "operational", "timezone": None,
            "fallback": tenant.timezone, "quiet_hours": hours, "send_windows": sends,
        }  # fmt: skip
