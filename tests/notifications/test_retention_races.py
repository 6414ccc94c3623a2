"""Retention beside everything else that happens to a notification: nothing owed loses its body."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connection, connections, transaction

from delivery.audit import audit
from delivery.compose import Sending
from delivery.driver import Answer
from delivery.settle import settle
from delivery.verdict import Result
from hiram.lib import ids
from notifications.models import Content, Notification, OutboxMessage
from notifications.replay import replay
from notifications.retention import erase
from tenants.models import Tenant
from tests.embedded.waiting import until
from tests.factories import ProviderFactory, TenantFactory, post
from tests.notifications.retaining import (
    AGAIN,
    CODE,
    KEPT,
    REFUSED,
    SENT,
    answered,
    begun,
    hits,
    keep,
    secret,
    sweep,
)
from tests.tenancy import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant() -> Tenant:
    made: Tenant = TenantFactory.create()
    ProviderFactory.create(tenant=made)
    keep(made, 0)
    return made


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def while_open(first: Callable[[], Any], then: Callable[[], Any], waits: bool) -> tuple[Any, Any]:
    """What both answer, `then` being called before the transaction of `first` commits."""
    is_done, may_end = Event(), Event()

    def hold() -> Any:
        try:
            with transaction.atomic():
                answer = first()
                is_done.set()
                assert may_end.wait(30)
            return answer
        finally:
            connections.close_all()

    def follow() -> Any:
        try:
            return then()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        holding = pool.submit(hold)
        assert is_done.wait(30)
        following = pool.submit(follow)
        until(is_somebody_waiting if waits else following.done)
        may_end.set()
        return holding.result(), following.result()


def failed(tenant: Tenant) -> Notification:
    [row] = post(tenant, secret())
    answered(REFUSED)
    return row


def test_replayed_at_this_moment_it_is_passed_over(tenant: Tenant) -> None:
    row = failed(tenant)
    while_open(lambda: replay([row.pk]), sweep, waits=False)
    assert hits() == KEPT
    sweep()
    assert hits() == KEPT
    answered(SENT)
    sweep()
    assert hits() == set()


def test_erased_at_this_moment_it_is_not_replayed(tenant: Tenant) -> None:
    row = failed(tenant)
    erased, replayed = while_open(sweep, lambda: replay([row.pk]), waits=True)
    assert (erased, replayed) == (None, [])
    row.refresh_from_db()
    assert (row.status, row.body_erased_at is None) == ("failed", False)
    assert not OutboxMessage.objects.exists()
    assert audit().broken == []


def test_erased_by_name_while_it_is_replayed_it_is_owed(tenant: Tenant) -> None:
    row = failed(tenant)
    replayed, erased = while_open(lambda: replay([row.pk]), lambda: erase([row.pk]), waits=True)
    assert (replayed, erased) == ([row.pk], 0)
    assert hits() == KEPT


def test_a_body_of_two_that_are_erased_at_once_goes(tenant: Tenant) -> None:
    keep(tenant, 3_600)
    one, other = post(tenant, secret(), secret())
    Notification.objects.update(content_id=one.content_id, request_id=ids.new())
    Content.objects.filter(pk=other.content_id).delete()
    answered(SENT, SENT)
    erased = while_open(lambda: erase([one.pk]), lambda: erase([other.pk]), waits=True)
    assert erased == (1, 1)
    assert hits() == set()


def test_whoever_settles_or_replays_waits_for_no_sweep_of_others(tenant: Tenant) -> None:
    failed(tenant)
    post(tenant, secret())
    [work] = begun()
    while_open(sweep, lambda: settle([Result(work, SENT, 0.01)]), waits=False)
    assert Notification.objects.filter(status="sent").count() == 1


@pytest.mark.parametrize("seed", range(3))
def test_nothing_owed_loses_its_body_in_a_crowd(tenant: Tenant, seed: int) -> None:
    rows = post(tenant, *[secret() for _ in range(40)])
    shared = rows[0].content_id
    Notification.objects.filter(pk__in=[r.pk for r in rows[:10]]).update(content_id=shared)
    Content.objects.filter(pk__in=[r.pk for r in rows[1:10]]).delete()

    def act(index: int) -> None:
        dice = random.Random(seed * 10 + index)  # noqa: S311
        for _ in range(15):
            if index < 2:
                sweep()
            elif index == 2:
                replay([row.pk for row in Notification.objects.filter(status="failed")])
            else:
                works = begun(4)
                for work in works:
                    assert isinstance(work, Sending)
                    assert work.message.text == CODE
                answers: list[Answer] = [SENT, REFUSED, AGAIN]
                settle([Result(work, dice.choice(answers), 0.01) for work in works])

    together(5, act)
    gone = Notification.objects.filter(reason="content_gone")
    assert not gone.exists()
    bodies = set(Content.objects.values_list("pk", flat=True))
    for row in Notification.objects.filter(body_erased_at=None):
        assert row.content_id in bodies
    sweep()
    owed = Notification.objects.filter(settled_at=None)
    assert set(owed.values_list("content_id", flat=True)) == set(
        Content.objects.values_list("pk", flat=True)
    )
    assert not Notification.objects.filter(settled_at__isnull=False, body_erased_at=None).exists()
    assert audit().broken == []
