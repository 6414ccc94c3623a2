"""Opt-outs against the engine, with threads and a real server: what ended `suppressed` never left."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import transaction

from delivery.audit import audit
from delivery.claim import begin, claim
from delivery.compose import compose
from delivery.deliver import Delivery, prepare
from delivery.settle import settle
from delivery.verdict import Result
from delivery.work import Work
from hiram.lib import ids
from notifications.accept import Owner
from notifications.models import Attempt, Lane, Notification, OutboxMessage, Subscriber
from notifications.preferences import change
from notifications.withhold import withhold_from_user
from tenants.models import Tenant
from tests.delivery.test_cancel_race import SENT, submit, work_until_nothing_is_owed
from tests.delivery.test_claim import wait_for_a_blocked_backend
from tests.factories import email, make_user, to_user

pytestmark = pytest.mark.django_db(transaction=True)

USERS = 200
NO = {"categories": {"transactional": {"email": False}}}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def opt_out(tenant: Tenant, user_id: str = "u1") -> None:
    change(Owner(tenant.pk, "live"), user_id, NO)


def test_a_call_that_begins_while_it_waits_has_left(tenant, provider, pool):
    make_user(tenant)
    [one] = to_user(tenant)
    [work] = compose(claim(1))
    assert isinstance(work, Work)
    with transaction.atomic():
        assert begin([work.attempt()])
        done = submit(pool, opt_out, tenant)
        wait_for_a_blocked_backend()
    done.result(10)
    settle([Result(work, SENT, 0.1)])
    one.refresh_from_db()
    assert one.status == "sent"


def test_a_call_that_would_begin_while_it_decides_is_not_made(tenant, provider, pool):
    make_user(tenant)
    [one] = to_user(tenant)
    claims = claim(1)
    with transaction.atomic():
        opt_out(tenant)
        works = submit(pool, prepare, claims)
        wait_for_a_blocked_backend()
    assert works.result(10) == []
    one.refresh_from_db()
    assert (one.status, one.reason) == ("suppressed", "preference")
    assert not Attempt.objects.exists()
    assert audit().broken == []


def test_what_may_have_left_is_left_alone(tenant, provider):
    make_user(tenant)
    rows = to_user(tenant, "u1", *[email() for _ in range(4)])
    for row, outcome in zip(rows, ["started", "unknown", "abandoned", "refused"], strict=True):
        Attempt.objects.create(
            tenant=tenant, subject_id=row.pk, number=1, fence=1, worker="w", outcome=outcome
        )
    opt_out(tenant)
    states = [Notification.objects.get(pk=row.pk).status for row in rows]
    assert states == ["accepted", "accepted", "accepted", "suppressed"]


def test_what_is_held_waits_for_its_decision(tenant, provider):
    make_user(tenant)
    [row] = to_user(tenant)
    Attempt.objects.create(
        tenant=tenant, subject_id=row.pk, number=1, fence=1, worker="w", outcome="unknown"
    )
    Notification.objects.filter(pk=row.pk).update(status="held", reason="unknown")
    opt_out(tenant)
    assert Notification.objects.get(pk=row.pk).status == "held"


def test_a_busy_database_is_no_error(tenant, provider, pool):
    """The read before the call finds it."""
    make_user(tenant)
    [row] = to_user(tenant)
    with transaction.atomic():
        OutboxMessage.objects.select_for_update().get(pk=row.pk)
        submit(pool, opt_out, tenant).result(20)
    assert Notification.objects.get(pk=row.pk).status == "accepted"
    assert withhold_from_user(Owner(tenant.pk, "live"), "u1") == 1


def opt_out_each(start: threading.Event, tenant: Tenant, users: list[str]) -> None:
    start.wait(60)
    for user_id in users:
        opt_out(tenant, user_id)


def test_two_hundred_opt_outs_race_the_sends(
    tenant: Tenant, provider: Any, simulator: Any, pool: ThreadPoolExecutor
) -> None:
    users = [f"u{n}" for n in range(USERS)]
    Subscriber.objects.bulk_create(
        Subscriber(tenant=tenant, mode="live", user_id=user_id) for user_id in users
    )
    keys = [row.pk for user_id in users for row in to_user(tenant, user_id, email(), email())]
    Lane.objects.update(max_in_flight=1_000)
    random.Random(7).shuffle(users)  # noqa: S311
    start = threading.Event()
    asked = [submit(pool, opt_out_each, start, tenant, users[n::4]) for n in range(4)]
    running = [submit(pool, work_until_nothing_is_owed, Delivery(8)) for _ in range(2)]
    until = time.monotonic() + 60
    while Notification.objects.filter(status="sent").count() < 20:
        assert time.monotonic() < until
    start.set()
    for future in [*asked, *running]:
        future.result(90)

    ended = dict(Notification.objects.values_list("pk", "status"))
    withheld = {key for key, status in ended.items() if status == "suppressed"}
    sent = {key for key, status in ended.items() if status == "sent"}
    assert withheld | sent == set(keys)
    assert len(withheld) > 20
    assert len(sent) >= 20
    arrived = {ids.parse("ntf", a["key"]) for a in simulator.arrivals()}
    assert arrived == sent == set(Attempt.objects.values_list("subject_id", flat=True))
    reasons = Notification.objects.filter(status="suppressed").values_list("reason", flat=True)
    assert set(reasons) == {"preference"}
    assert not OutboxMessage.objects.exists()
    assert audit().broken == []
