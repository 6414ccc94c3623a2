"""The sweep itself: how much at once, how often, what it reads, and what else it forgets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from notifications import retention
from notifications.cancel import cancel
from notifications.models import Attempt, Content, IdempotencyRecord, Notification
from notifications.retention import Sweeper
from tenants.models import CategoryPolicy, Tenant
from tests.factories import ProviderFactory, TenantFactory, email, post
from tests.notifications.calls import api
from tests.notifications.retaining import CODE, SENT, age, answered, keep, secret, sweep

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant() -> Tenant:
    made: Tenant = TenantFactory.create()
    ProviderFactory.create(tenant=made)
    return made


class Clock:
    """Monotonic, as a test wants it."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


def left() -> int:
    return Notification.objects.filter(body_erased_at=None).count()


def steps(sweeper: Sweeper) -> int:
    """How often it wants to come again at once."""
    count = 0
    while sweeper.step():
        count += 1
    return count


def test_what_is_kept_for_no_time_is_looked_for_every_second_the_rest_every_minute(
    tenant: Tenant,
) -> None:
    clock = Clock()
    sweeper = Sweeper(clock)
    steps(sweeper)
    keep(tenant, 0)
    keep(tenant, 3_600, "operational")
    post(tenant, secret(), secret(category="operational"))
    cancel(Notification.objects.all())
    age(3_601)
    steps(sweeper)
    assert left() == 2, "it was here in this second"
    clock.at += 1
    steps(sweeper)
    assert left() == 1
    clock.at += 58
    steps(sweeper)
    assert left() == 1
    clock.at += 1
    steps(sweeper)
    assert left() == 0


def test_what_was_locked_is_come_back_for(tenant: Tenant) -> None:
    keep(tenant, 0)
    first, _ = post(tenant, secret(), secret())
    cancel(Notification.objects.all())
    age(3_600)
    clock = Clock()
    sweeper = Sweeper(clock)
    older = Notification.objects.filter(pk=first.pk)
    older.update(body_erased_at=timezone.now())
    steps(sweeper)
    # Now it is as if it had been locked: older than what has been erased, and still there.
    older.update(body_erased_at=None, settled_at=timezone.now() - timedelta(seconds=7_200))
    clock.at += retention.MARKED_SECONDS - 1
    steps(sweeper)
    assert left() == 1, "it reads nothing twice that soon"
    clock.at += retention.FULL_SECONDS
    steps(sweeper)
    clock.at += 1
    steps(sweeper)
    assert left() == 0


def test_what_fails_is_tried_again(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tenant, 3_600)
    post(tenant, secret())
    cancel(Notification.objects.all())
    age(3_601)
    clock = Clock()
    sweeper = Sweeper(clock)
    assert sweeper.step(), "what is kept for no time: nothing"
    with monkeypatch.context() as broken:
        broken.setattr(retention, "_read", _canceled)
        with pytest.raises(OperationalError):
            sweeper.step()
    assert left() == 1
    clock.at += 60
    steps(sweeper)
    assert left() == 0


def _canceled(statement: str, given: list[Any]) -> Any:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 10")
        cursor.execute("SELECT pg_sleep(10)")
        return cursor.fetchall()


def test_it_reads_the_index_of_what_has_a_body_and_sorts_nothing(tenant: Tenant) -> None:
    statement = retention._ERASE.format(found=retention._DUE, octets=retention.BATCH_OCTETS)
    given: list[Any] = [[tenant.pk], ["transactional"], [0], [retention._EARLIEST], 250, 250]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(retention._PLANS)
        cursor.execute("EXPLAIN " + statement, given)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("EXPLAIN " + retention._DELETE, [[UUID(int=1)]])
        plan += "\n".join(line for (line,) in cursor.fetchall())
    assert "using notification_retained" in plan
    assert "using notification_shares" in plan
    assert "Seq Scan" not in plan
    assert "Sort Key: n" not in plan


def test_batches_are_small_in_rows_and_octets(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(retention, "BATCH_OCTETS", 150_000)
    keep(tenant, 0)
    noise = ["".join(chr(33 + (i * k) % 89) for i in range(70_000)) for k in (7, 11, 13, 17)]
    post(tenant, *[email(body=text) for text in noise], *[email() for _ in range(4)])
    Notification.objects.update(status="canceled", settled_at=timezone.now())
    sizes, sweeper = [], Sweeper()
    while sweeper.step():
        sizes.append(Notification.objects.exclude(body_erased_at=None).count())
    steps = [b - a for a, b in zip([0, *sizes], sizes, strict=False) if b > a]
    assert sum(steps) == 8
    assert max(steps) <= 3
    assert Content.objects.count() == 0


def test_keys_past_their_time_and_old_answers_go(tenant: Tenant) -> None:
    api(tenant).post(email(), Idempotency_Key="old")
    api(tenant).post(email(), Idempotency_Key="new")
    past = timezone.now() - timedelta(seconds=1)
    IdempotencyRecord.objects.filter(key="old").update(expires_at=past)
    answered(SENT, SENT)
    Attempt.objects.update(response=f"thank you {CODE}")
    sweep()
    assert [*IdempotencyRecord.objects.values_list("key", flat=True)] == ["new"]
    assert Attempt.objects.exclude(response=None).count() == 2
    month = timezone.now() - timedelta(seconds=retention.RESPONSE_SECONDS + 1)
    Attempt.objects.filter(pk=Attempt.objects.order_by("pk")[0].pk).update(started_at=month)
    sweep()
    assert Attempt.objects.exclude(response=None).count() == 1


def test_policies_cost_one_probe_a_pair(tenant: Tenant, django_assert_num_queries: Any) -> None:
    CategoryPolicy.objects.all().delete()
    sweeper = Sweeper(clock=lambda: 1_000.0)
    with django_assert_num_queries(1):  # those kept for no time: there are none
        assert sweeper.step()
