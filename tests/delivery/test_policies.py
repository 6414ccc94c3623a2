"""What a tenant decided for a category, in the engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.audit import audit
from delivery.retry import wait_seconds
from hiram.lib import rfc3339
from notifications.models import Attempt, Event, Notification, OutboxMessage
from notifications.record import show
from tenants.models import CategoryPolicy, Tenant
from tenants.policy import DEFAULTS, RETRY_STEPS_SECONDS
from tests.factories import email, post

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 86_400


def decided(tenant: Tenant, category: str = "transactional", **rules: Any) -> None:
    CategoryPolicy.objects.create(tenant=tenant, category=category, **rules)


def waits(notification: Notification) -> float:
    finished = Attempt.objects.filter(subject_id=notification.pk).latest("number").finished_at
    assert finished is not None
    return (OutboxMessage.objects.get().due_at - finished).total_seconds()


@pytest.mark.parametrize(("seconds", "category"), [(600, "transactional"), (7_200, "marketing")])
def test_the_lifetime_is_the_categorys(tenant, seconds, category):
    decided(tenant, category, ttl_seconds=seconds)
    [mine, own, until, other] = post(
        tenant,
        email(category=category),
        email(category=category, ttl_seconds=DAY),
        email(category=category, expires_at=rfc3339.show(datetime.now(UTC) + timedelta(days=2))),
        email(category="operational"),
    )
    lives = [
        round((n.expires_at - n.created_at).total_seconds()) for n in (mine, own, until, other)
    ]
    assert lives == [seconds, DAY, 2 * DAY, 3 * DAY]
    assert {o.expires_at for o in OutboxMessage.objects.all()} == {
        n.expires_at for n in (mine, own, until, other)
    }


def test_what_is_scheduled_lives_from_its_time(tenant):
    decided(tenant, ttl_seconds=600)
    at = datetime.now(UTC) + timedelta(hours=5)
    [notification] = post(tenant, email(scheduled_at=rfc3339.show(at)))
    assert abs((notification.expires_at - at).total_seconds() - 600) < 0.001


def test_a_strangers_decision_is_not_mine(tenant, other):
    decided(other, ttl_seconds=60)
    [notification] = post(tenant)
    assert notification.expires_at - notification.created_at == timedelta(days=3)


@pytest.fixture
def other(transactional_db: None) -> Tenant:
    tenant: Tenant = Tenant.objects.create(name="other")
    return tenant


def test_the_schedule_is_the_categorys(tenant, provider, simulator, run):
    decided(tenant, retry_steps_seconds=[1_000, 5_000])
    simulator.order(target="smtp", kind="status", phase="rcpt", code=451, times=3)
    [notification] = post(tenant)
    seen = []
    for _ in range(3):
        run()
        seen.append(waits(notification))
        OutboxMessage.objects.update(due_at=timezone.now())
    assert 800 <= seen[0] <= 1_200
    assert all(4_000 <= wait <= 6_000 for wait in seen[1:])


def test_short_lives_have_short_steps(tenant, provider, simulator, run):
    simulator.order(target="smtp", kind="status", phase="rcpt", code=451, times=4)
    [notification] = post(tenant, email(ttl_seconds=300))
    for most in (4.8, 36, 36, 36):
        run()
        assert waits(notification) <= most
        OutboxMessage.objects.update(due_at=timezone.now())


@pytest.mark.parametrize("lifetime", [1, 60, 300, 3_600, 3 * DAY, 365 * DAY])
@pytest.mark.parametrize("tries", [1, 2, 5, 9, 40])
def test_every_wait_is_within_bounds(tries: int, lifetime: float) -> None:
    for steps in (RETRY_STEPS_SECONDS, DEFAULTS["marketing"].retry_steps_seconds, (7,)):
        for chance in (0.0, 0.5, 0.999):
            wait = wait_seconds(tries, chance, steps, lifetime)
            assert 3.2 <= wait <= max(4, lifetime / 10) * 1.2
            unknown = wait_seconds(tries, chance, steps, lifetime, least=75)
            assert unknown >= 60
            asked = wait_seconds(tries, chance, steps, lifetime, retry_after=1e9)
            assert asked == DAY


class TestMissedRuns:
    def late(self, tenant: Tenant, seconds: float) -> Notification:
        at = rfc3339.show(datetime.now(UTC) + timedelta(hours=1))
        [notification] = post(tenant, email(scheduled_at=at))
        when = timezone.now() - timedelta(seconds=seconds)
        Notification.objects.filter(pk=notification.pk).update(scheduled_at=when)
        OutboxMessage.objects.filter(pk=notification.pk).update(due_at=when)
        return notification

    @pytest.mark.parametrize(
        "case",
        [
            ({}, 7_200, "sent"),
            ({"missed_run": "send"}, 7_200, "sent"),
            ({"missed_run": "drop"}, 7_200, "expired"),
            ({"missed_run": "drop"}, 120, "expired"),
            ({"missed_run": "drop"}, 20, "sent"),
            ({"missed_run": "send_within_seconds", "send_within_seconds": 600}, 540, "sent"),
            ({"missed_run": "send_within_seconds", "send_within_seconds": 600}, 660, "expired"),
        ],
    )
    def test_it_is_as_the_category_has_it(self, tenant, provider, simulator, run, case):
        rules, late, status = case
        if rules:
            decided(tenant, **rules)
        notification = self.late(tenant, late)
        run()
        notification.refresh_from_db()
        seen = show(notification)
        assert seen["status"] == status
        assert seen["reason"] == ("missed_run" if status == "expired" else None)
        assert simulator.count() == (status == "sent")
        last = Event.objects.filter(notification_id=notification.pk).latest("transaction", "id")
        assert last.type == f"notification.{status}"
        assert audit().broken == []

    def test_what_was_begun_in_time_is_tried_on(self, tenant, provider, simulator, run):
        decided(tenant, missed_run="drop")
        simulator.order(target="smtp", kind="status", phase="rcpt", code=451, times=1)
        notification = self.late(tenant, 1)
        run()
        hour = timezone.now() - timedelta(hours=1)
        Notification.objects.update(scheduled_at=hour)
        OutboxMessage.objects.update(due_at=hour)
        run()
        notification.refresh_from_db()
        assert notification.status == "sent"
