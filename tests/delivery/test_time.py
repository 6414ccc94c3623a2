"""Time in the engine: nothing goes before its moment, and nothing after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.audit import audit
from delivery.claim import claim
from delivery.compose import compose
from delivery.deliver import prepare
from delivery.driver import Failed, Fault, Unknown
from delivery.reconcile import reconcile
from delivery.relay import relay
from delivery.settle import settle
from delivery.verdict import Result
from delivery.work import Work
from delivery.worker import release_own
from hiram.lib import rfc3339
from notifications.models import Attempt, Event, Notification, OutboxMessage
from notifications.record import show
from notifications.states import State, before
from tenants.models import Tenant
from tests.factories import email, post

pytestmark = pytest.mark.django_db(transaction=True)


def later(tenant: Tenant, **fields: Any) -> Notification:
    """One that is scheduled for an hour from now."""
    at = rfc3339.show(datetime.now(UTC) + timedelta(hours=1))
    [notification] = post(tenant, email(scheduled_at=at, **fields))
    return notification


def come(notification: Notification) -> None:
    """Its hour has come."""
    Notification.objects.filter(pk=notification.pk).update(scheduled_at=timezone.now())
    OutboxMessage.objects.filter(pk=notification.pk).update(due_at=timezone.now())


def types(notification: Notification) -> list[str]:
    rows = Event.objects.filter(notification_id=notification.pk).order_by("transaction", "id")
    return [event.type.removeprefix("notification.") for event in rows]


def status(notification: Notification) -> str:
    notification.refresh_from_db()
    return str(show(notification)["status"])


def test_nothing_goes_before_its_time(tenant, provider, simulator, run):
    notification = later(tenant)
    assert (relay(), claim(8), run()) == (0, [], 0)
    assert status(notification) == "scheduled"
    assert simulator.count() == 0
    assert audit().broken == []


def test_at_its_time_it_is_sent(tenant, provider, simulator, run):
    notification = later(tenant)
    come(notification)
    assert relay() == 1
    assert run() == 1
    assert status(notification) == "sent"
    assert simulator.count() == 1
    assert types(notification) == ["accepted", "scheduled", "attempted", "sent"]
    assert audit().broken == []


def test_what_waits_hides_nothing_behind_it(tenant, provider, simulator, run):
    for _ in range(20):
        later(tenant)
    [now] = post(tenant)
    assert run() == 1
    assert status(now) == "sent"


def test_it_is_sending_while_it_is_sent_and_queued_between_tries(tenant, provider):
    notification = later(tenant)
    come(notification)
    [(work, _)] = prepare(claim(1))
    assert status(notification) == "sending"
    settle([Result(work, Failed(Fault.TRANSIENT, "later"), 0.1)])
    assert status(notification) == "queued"
    assert show(notification)["next_attempt_at"] is not None


@pytest.mark.parametrize(
    "answer", [Failed(Fault.BAD_CONTENT, "no"), Failed(Fault.BAD_ADDRESS, "")]
)
def test_it_can_fail(tenant, provider, answer):
    notification = later(tenant)
    come(notification)
    [(work, _)] = prepare(claim(1))
    settle([Result(work, answer, 0.1)])
    assert status(notification) == "failed"
    assert audit().broken == []


def test_every_ending_of_the_engine_can_follow_scheduled():
    for ending in (State.SENT, State.FAILED, State.EXPIRED, State.CANCELED):
        assert State.SCHEDULED in before(ending)


def test_given_back_unsent_it_is_queued(tenant, provider):
    notification = later(tenant)
    come(notification)
    prepare(claim(1))
    release_own([])
    assert Attempt.objects.get().outcome == "abandoned"
    assert status(notification) == "queued"


def test_a_repaired_debt_keeps_its_time(tenant):
    notification = later(tenant)
    owed = OutboxMessage.objects.get()
    OutboxMessage.objects.all().delete()
    Notification.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert reconcile()["repaired"] == 1
    mended = OutboxMessage.objects.get()
    assert (mended.due_at, mended.expires_at) == (owed.due_at, owed.expires_at)
    assert status(notification) == "scheduled"


def test_what_was_due_while_nobody_worked_and_is_over_expires(tenant, provider, simulator, run):
    notification = later(tenant, ttl_seconds=60)
    past = timezone.now() - timedelta(seconds=1)
    OutboxMessage.objects.update(due_at=past - timedelta(minutes=1), expires_at=past)
    run()
    assert status(notification) == "expired"
    assert simulator.count() == 0
    assert not Attempt.objects.exists()
    assert types(notification) == ["accepted", "scheduled", "expired"]
    assert audit().broken == []


@pytest.mark.parametrize("answer", [
    Failed(Fault.TRANSIENT, "later"), Failed(Fault.THROTTLED, "later", retry_after=3600),
    Unknown("cut"),
])  # fmt: skip
def test_a_retry_is_due_at_the_expiry_at_the_latest_and_then_expires(
    tenant, provider, simulator, run, answer
):
    [notification] = post(tenant, email(ttl_seconds=3))
    [(work, _)] = prepare(claim(1))
    OutboxMessage.objects.update(expires_at=timezone.now() + timedelta(seconds=1))
    settle([Result(work, answer, 0.1)])
    owed = OutboxMessage.objects.get()
    assert owed.due_at == owed.expires_at
    past = timezone.now() - timedelta(seconds=1)
    OutboxMessage.objects.update(due_at=past, expires_at=past)
    run()
    assert status(notification) == "expired"
    assert simulator.count() == 0
    assert Attempt.objects.count() == 1
    assert types(notification) == ["accepted", "attempted", "expired"]
    assert audit().broken == []


def test_what_expires_between_claim_and_begin_is_not_called(tenant, provider):
    post(tenant)
    [work] = compose(claim(1))
    assert isinstance(work, Work)
    OutboxMessage.objects.update(expires_at=timezone.now())
    assert prepare([work.claim]) == []
    assert not Attempt.objects.exists()
