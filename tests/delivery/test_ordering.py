"""Ordering keys: strictly one after the other, and nobody else waits."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from delivery.audit import audit
from delivery.claim import claim
from delivery.reconcile import reconcile
from hiram.lib import ids, rfc3339
from notifications import ordering
from notifications.cancel import cancel
from notifications.hold import drop, release
from notifications.models import Notification, OutboxMessage
from notifications.record import show, with_status
from notifications.states import State
from tenants.models import CategoryPolicy, Tenant
from tests.embedded.waiting import until
from tests.factories import ProviderFactory, TenantFactory, email, make_key, post, shown
from tests.notifications.calls import Api

pytestmark = pytest.mark.django_db(transaction=True)


def ordered(tenant: Tenant, count: int, key: str = "k", **fields: Any) -> list[Notification]:
    return post(tenant, *[email(ordering_key=key, **fields)] * count)


def record(notification: Notification) -> dict[str, Any]:
    notification.refresh_from_db()
    return show(notification)


def statuses(found: list[Notification]) -> list[tuple[str, str | None]]:
    return [(record(n)["status"], record(n)["reason"]) for n in found]


def due() -> list[Any]:
    return [c.id for c in claim(50)]


def arrived(simulator: Any) -> list[str]:
    return [arrival["key"] for arrival in simulator.arrivals()]


WAITS = ("accepted", "ordering_key")


def test_only_the_first_of_a_key_is_due(tenant):
    first, *others = ordered(tenant, 3)
    [other] = ordered(tenant, 1, "another")
    [free] = post(tenant)
    assert statuses(others) == [WAITS, WAITS]
    assert statuses([first, other, free]) == [("queued", None)] * 3
    assert set(due()) == {first.pk, other.pk, free.pk}
    shown_as = with_status(Notification.objects.all(), State.ACCEPTED)
    assert set(shown_as) == set(others)
    assert audit().broken == []


def test_they_arrive_in_the_order_of_acceptance(tenant, provider, simulator, run):
    found = ordered(tenant, 5) + ordered(tenant, 5)
    while run():
        pass
    assert arrived(simulator) == [shown(n) for n in found]
    assert not OutboxMessage.objects.exists()
    assert audit().broken == []


def test_a_failing_one_blocks_only_its_own_key_until_it_ends(tenant, provider, simulator, run):
    simulator.order(
        target="smtp", kind="status", phase="rcpt", code=451, match={"recipient": "bad@x.org"}
    )
    [bad] = ordered(tenant, 1, recipient="bad@x.org")
    [blocked] = ordered(tenant, 1)
    [other] = ordered(tenant, 1, "another")
    while run():
        pass
    assert statuses([bad, blocked, other]) == [("queued", None), WAITS, ("sent", None)]
    past = timezone.now() - timedelta(seconds=1)
    OutboxMessage.objects.filter(pk=bad.pk).update(due_at=past, expires_at=past)
    while run():
        pass
    assert statuses([bad, blocked]) == [("expired", "expired"), ("sent", None)]


def test_a_rejected_one_makes_way(tenant, provider, simulator, run):
    [bad] = ordered(tenant, 1, recipient="bounce@simulator.test")
    [next_one] = ordered(tenant, 1)
    while run():
        pass
    assert statuses([bad, next_one]) == [("failed", "bad_address"), ("sent", None)]


def test_a_canceled_one_makes_way(tenant):
    first, second, third = ordered(tenant, 3)
    cancel(Notification.objects.filter(pk=second.pk))
    assert statuses([first, third]) == [("queued", None), WAITS]
    cancel(Notification.objects.filter(pk=first.pk))
    assert statuses([third]) == [("queued", None)]


def test_a_held_one_blocks_until_somebody_decides(tenant, provider, simulator, run):
    CategoryPolicy.objects.create(tenant=tenant, category="transactional", on_unknown="hold")
    simulator.order(target="smtp", kind="cut_after_accept", times=1)
    first, second = ordered(tenant, 2)
    while run():
        pass
    assert statuses([first, second]) == [("held", "unknown"), WAITS]
    drop([first.pk])
    while run():
        pass
    assert statuses([first, second]) == [("failed", "dropped"), ("sent", None)]
    assert release([first.pk]) == []


def test_a_scheduled_one_keeps_those_behind_it(tenant, provider, run):
    at = rfc3339.show(datetime.now(UTC) + timedelta(hours=1))
    [first] = ordered(tenant, 1, scheduled_at=at)
    [second] = ordered(tenant, 1)
    assert run() == 0
    assert statuses([first, second]) == [("scheduled", None), WAITS]
    OutboxMessage.objects.filter(pk=first.pk).update(due_at=timezone.now())
    while run():
        pass
    assert statuses([first, second]) == [("sent", None)] * 2


def test_one_that_is_scheduled_behind_another_waits_for_its_time_too(tenant, provider, run):
    ordered(tenant, 1)
    at = datetime.now(UTC) + timedelta(hours=1)
    [second] = ordered(tenant, 1, scheduled_at=rfc3339.show(at))
    assert run() == 1
    row = OutboxMessage.objects.get(pk=second.pk)
    assert abs(row.due_at - at) < timedelta(seconds=1)
    assert statuses([second]) == [("scheduled", None)]


def test_one_that_waits_too_long_expires(tenant, provider, run):
    ordered(tenant, 1, scheduled_at=rfc3339.show(datetime.now(UTC) + timedelta(hours=1)))
    [second] = ordered(tenant, 1)
    past = timezone.now() - timedelta(seconds=1)
    OutboxMessage.objects.filter(pk=second.pk).update(due_at=past, expires_at=past)
    run()
    assert statuses([second]) == [("expired", "expired")]
    assert audit().broken == []


def test_tenants_and_modes_do_not_wait_for_each_other(tenant):
    stranger = TenantFactory.create()
    first = ordered(tenant, 1) + ordered(stranger, 1)
    [tested] = post(tenant, email(ordering_key="k"), mode="test")
    assert statuses([*first, tested]) == [("queued", None)] * 3


def test_a_key_is_one_over_priorities_and_channels(tenant):
    ordered(tenant, 1, priority="bulk")
    [second] = ordered(tenant, 1, priority="high")
    text = {"channel": "sms", "recipient": "+14155550100", "body": "x", "ordering_key": "k"}
    [third] = post(tenant, text)
    assert statuses([second, third]) == [WAITS, WAITS]


def test_a_key_that_nobody_woke_is_mended(tenant, provider, run):
    first, second = ordered(tenant, 2)
    OutboxMessage.objects.filter(pk=first.pk).delete()
    Notification.objects.filter(pk=first.pk).delete()
    assert run() == 0
    reconcile()
    assert run() == 1
    assert statuses([second]) == [("sent", None)]
    assert ordering.mend() == 0


def test_a_row_under_a_key_is_posted_and_repeated_like_any(tenant):
    api = Api(make_key(tenant))
    body = email(ordering_key="k")
    first = api.post(body, Idempotency_Key="a")
    again = api.post(body, Idempotency_Key="a")
    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body
    assert OutboxMessage.objects.count() == 1
    api.post(body, Idempotency_Key="b")
    assert list(OutboxMessage.objects.values_list("ordering_key", flat=True)) == ["live:k"] * 2


def test_accepting_while_the_first_ends_loses_no_turn(tenant, simulator, slots):
    """Posts race the engine under a few keys: all arrive, each key's in its order."""
    ProviderFactory.create(tenant=tenant, port=simulator.smtp_port)
    posted: dict[str, list[str]] = defaultdict(list)
    errors: list[BaseException] = []

    def customer(key: str, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        try:
            for _ in range(12):
                for one in ordered(tenant, chance.choice([1, 1, 3]), key):
                    posted[key].append(shown(one))
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=customer, args=(f"k{n}", n)) for n in range(4)]
    for thread in threads:
        thread.start()
    limit = time.monotonic() + 60
    while any(t.is_alive() for t in threads) or OutboxMessage.objects.exists():
        assert time.monotonic() < limit
        slots.run(seconds=1)
    assert errors == []
    came: dict[str, list[str]] = defaultdict(list)
    keys = {shown_id: key for key, found in posted.items() for shown_id in found}
    until(lambda: simulator.count() == len(keys))
    for shown_id in arrived(simulator):
        came[keys[shown_id]].append(shown_id)
    assert came == posted
    assert audit().broken == []
    assert {ids.parse("ntf", one) for one in keys} == set(
        Notification.objects.values_list("pk", flat=True)
    )
