"""Cancels against the engine, with threads and a real server: the answer is exact."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction

from delivery.audit import audit
from delivery.claim import begin, claim
from delivery.compose import compose
from delivery.deliver import Delivery, prepare
from delivery.driver import Answer, Failed, Fault, Sent, Unknown
from delivery.settle import settle
from delivery.verdict import Result
from delivery.work import Work
from hiram.lib import ids
from notifications.cancel import Canceled, cancel
from notifications.models import Attempt, Event, Lane, Notification, OutboxMessage
from tenants.models import Provider, Tenant
from tests.delivery.test_claim import wait_for_a_blocked_backend
from tests.factories import email, post

pytestmark = pytest.mark.django_db(transaction=True)

SENT = Sent("id-at-provider", code="250")
MANY = 1_000


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(12) as threads:
        yield threads


def submit(pool: ThreadPoolExecutor, act: Callable[..., Any], *given: Any) -> Future[Any]:
    """Run in a thread, which then gives its connection back."""

    def acted() -> Any:
        try:
            return act(*given)
        finally:
            connections.close_all()

    return pool.submit(acted)


def cancel_one(key: UUID) -> Canceled:
    return cancel(Notification.objects.filter(pk=key))


def test_a_call_that_begins_while_cancel_waits_has_left(tenant, provider, pool):
    [one] = post(tenant)
    [work] = compose(claim(1))
    assert isinstance(work, Work)
    with transaction.atomic():
        assert begin([work.attempt()])
        answer = submit(pool, cancel_one, one.pk)
        wait_for_a_blocked_backend()
    assert answer.result(10) == Canceled([], [one.pk], False)
    settle([Result(work, SENT, 0.1)])
    one.refresh_from_db()
    assert one.status == "sent"


def test_a_call_that_would_begin_while_cancel_decides_is_not_made(tenant, provider, pool):
    [one] = post(tenant)
    claims = claim(1)
    with transaction.atomic():
        assert cancel_one(one.pk) == Canceled([one.pk], [], False)
        works = submit(pool, prepare, claims)
        wait_for_a_blocked_backend()
    assert works.result(10) == []
    assert not Attempt.objects.exists()
    assert audit().broken == []


@pytest.mark.parametrize(("answer", "is_stopped"), [
    (SENT, False), (Unknown("cut"), False), (Failed(Fault.BAD_CONTENT, "no"), False),
    (Failed(Fault.TRANSIENT, "later"), True),
])  # fmt: skip
def test_an_answer_that_is_settled_while_cancel_waits_counts(
    tenant: Tenant, provider: Provider, pool: ThreadPoolExecutor, answer: Answer, is_stopped: bool
) -> None:
    [one] = post(tenant)
    [(work, _)] = prepare(claim(1))
    with transaction.atomic():
        settle([Result(work, answer, 0.1)])
        said = submit(pool, cancel_one, one.pk)
        wait_for_a_blocked_backend()
    expected = Canceled([one.pk], [], False) if is_stopped else Canceled([], [one.pk], False)
    assert said.result(10) == expected
    assert audit().broken == []


def test_two_cancels_of_one_both_say_stopped_and_it_happened_once(tenant, provider, pool):
    [one] = post(tenant)
    with transaction.atomic():
        first = cancel_one(one.pk)
        second = submit(pool, cancel_one, one.pk)
        wait_for_a_blocked_backend()
    assert first == second.result(10) == Canceled([one.pk], [], False)
    assert Event.objects.filter(type="notification.canceled").count() == 1


def work_until_nothing_is_owed(worker: Delivery) -> None:
    until = time.monotonic() + 60
    while OutboxMessage.objects.exists():
        worker.run(seconds=30)
        assert time.monotonic() < until


def cancel_each(start: threading.Event, keys: list[UUID]) -> list[Canceled]:
    start.wait(60)
    return [cancel_one(key) for key in keys]


def cancel_by_key(start: threading.Event, numbers: range) -> list[Canceled]:
    start.wait(60)
    return [cancel(Notification.objects.filter(cancel_key=f"k{n}")) for n in numbers]


def wait_for_the_first_hundred() -> None:
    until = time.monotonic() + 60
    while Notification.objects.filter(status="sent").count() < 100:
        assert time.monotonic() < until


def test_a_thousand_cancels_race_a_thousand_sends(tenant, provider, simulator, pool):
    rows = post(tenant, *[email(cancel_key=f"k{n % 200}") for n in range(MANY)])
    keys = [row.pk for row in rows]
    Lane.objects.update(max_in_flight=MANY)
    running = [submit(pool, work_until_nothing_is_owed, Delivery(8)) for _ in range(2)]
    random.Random(7).shuffle(keys)  # noqa: S311
    start = threading.Event()
    asked = [submit(pool, cancel_each, start, keys[n::4]) for n in range(4)]
    asked += [submit(pool, cancel_by_key, start, range(n, 40, 2)) for n in range(2)]
    wait_for_the_first_hundred()
    start.set()
    answers = [answer for future in asked for answer in future.result(60)]
    for future in running:
        future.result(60)

    stopped = {key for answer in answers for key in answer.stopped}
    left = {key for answer in answers for key in answer.already_left}
    assert len(stopped) > 20
    assert len(left) > 20
    assert stopped.isdisjoint(left)
    assert stopped | left == set(keys)
    called = set(Attempt.objects.values_list("subject_id", flat=True))
    arrived = {ids.parse("ntf", a["key"]) for a in simulator.arrivals()}
    assert called == arrived == left
    assert not stopped & called
    by_status = dict(Notification.objects.values_list("pk", "status"))
    assert by_status == dict.fromkeys(stopped, "canceled") | dict.fromkeys(left, "sent")
    canceled = Event.objects.filter(type="notification.canceled")
    assert Counter(canceled.values_list("notification_id", flat=True)) == Counter(stopped)
    assert not OutboxMessage.objects.exists()
    assert audit().broken == []
