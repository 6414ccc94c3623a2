"""Plans: what the engine reads follows what it works on, however wrong the statistics are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from delivery import poison, reconcile
from delivery.apply import apply
from delivery.claim import SUSPECT_CLAIMS, claim
from delivery.deliver import prepare
from delivery.driver import Failed, Fault, Sent, Unknown
from delivery.models import Receipt
from delivery.plans import by_keys
from delivery.settle import Ending, end, settle
from delivery.verdict import Result
from delivery.work import Work
from delivery.worker import release_own
from hiram.lib import ids
from notifications import ordering
from notifications.cancel import cancel
from notifications.hold import drop, release
from notifications.models import Lane, Notification, OutboxMessage
from notifications.states import State
from tenants.models import Provider, Tenant
from tests.factories import email, post

pytestmark = pytest.mark.django_db(transaction=True)

ROWS, AT_WORK = 500, 4
DRAINED = ("notifications_outboxmessage", "delivery_receipt")
"""Tables that hold nothing when all is done, whatever was in them."""


@pytest.fixture
def works(tenant: Tenant, provider: Provider) -> Iterator[list[Work]]:
    """Some calls that are open, among many others, while the statistics say that nothing is."""
    bulk = [email(priority="bulk")] * ROWS
    post(tenant, *bulk)
    report(tenant, *[ids.new() for _ in range(ROWS)])
    with connection.cursor() as cursor:
        for table in DRAINED:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608
            cursor.execute(f"VACUUM (ANALYZE, TRUNCATE FALSE) {table}")
            cursor.execute("SELECT relpages, reltuples FROM pg_class WHERE relname = %s", [table])
            pages, tuples = cursor.fetchone()
            assert pages > 0
            assert tuples == 0
    by_keys(connection)
    post(tenant, *bulk)
    Lane.objects.update(max_in_flight=4 * ROWS)
    assert len(prepare(claim(ROWS))) == ROWS
    post(tenant, *[email(ordering_key=str(number)) for number in range(ROWS)])
    Lane.objects.update(max_in_flight=4 * ROWS)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE notifications_notification, notifications_attempt")
    yield [work for work, _ in prepare(claim(AT_WORK))]
    connection.close()


def report(tenant: Tenant, *attempts: UUID) -> None:
    """A provider reports of these attempts, or of what is none."""
    Receipt.objects.bulk_create(
        Receipt(
            tenant=tenant, provider_id=tenant.pk, digest=key.bytes, kind="delivered", attempt_id=key
        )
        for key in attempts
    )  # fmt: skip


def read(act: Callable[..., object], *given: object) -> dict[str, int]:
    """How many rows of each table this reads, by an index or without."""
    with transaction.atomic():
        before = _read()
        act(*given)
        after = _read()
    return {table: after[table] - before.get(table, 0) for table in after}


def _read() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0)"
            "  FROM pg_stat_xact_user_tables"
        )
        return dict(cursor.fetchall())


def follows(act: Callable[..., object], *given: object) -> None:
    """It reads a few rows for each that it is given, not all there are."""
    found = read(act, *given)
    assert found, "nothing was read at all"
    assert max(found.values()) < ROWS / 4, found


@pytest.mark.parametrize(
    "answer",
    [
        Sent("id-at-provider"),
        Failed(Fault.TRANSIENT, "try later"),
        Failed(Fault.BAD_CONTENT, "no"),
        Unknown("cut"),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_settle(works, answer):
    for work in works:
        follows(settle, [Result(work, answer, 0.1)])


@pytest.mark.parametrize("status", [None, State.HELD, State.SCHEDULED, State.FAILED])
@pytest.mark.parametrize("alone", [True, False])
def test_end(works, status, alone):
    until = timezone.now() + timedelta(hours=1)
    for work in works:
        ending = Ending(work.claim, status, "no_provider", alone=alone, until=until)
        follows(end, [ending])


def test_claim_and_begin(works):
    for _ in range(AT_WORK):
        follows(claim, 2)
        claims = claim(2)
        assert len(claims) == 2
        follows(prepare, claims)


def test_what_this_process_leased_is_given_back_and_each_read_once(works):
    kept = [(work.claim.id, work.claim.fence) for work in works]
    found = read(release_own, kept)
    assert max(found.values()) < 4 * ROWS, found
    assert OutboxMessage.objects.exclude(leased_by=None).count() == len(kept)


def test_suspects(works):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notifications_outboxmessage SET claims = %s", [SUSPECT_CLAIMS])
    suspects = claim(2)
    assert len(suspects) == 2
    follows(poison.blame, [poison.Death(suspect) for suspect in suspects])
    follows(poison.sort, suspects, 0)


def test_receipts(works, tenant, provider):
    report(tenant, *[work.attempt_id for work in works])
    Receipt.objects.update(provider_id=provider.pk)
    report(tenant, *[ids.new() for _ in range(ROWS)])
    Receipt.objects.exclude(provider_id=provider.pk).update(applied_at=timezone.now())
    follows(apply)
    assert Receipt.objects.filter(applied_at=None).count() == 0


def test_cancel_and_what_is_held(works):
    """These run in web, whose plans may read a table one after the other: not while it is large."""
    with connection.cursor() as cursor:
        cursor.execute("RESET ALL")
    for row in OutboxMessage.objects.filter(leased_by=None)[:3]:
        one = Notification.objects.filter(pk=row.pk)
        for decide in (release, drop):
            one.update(status="held", settled_at=None)
            follows(decide, [row.pk])
    for row in OutboxMessage.objects.filter(leased_by=None)[:6]:
        follows(cancel, Notification.objects.filter(pk=row.pk))


def test_what_looks_at_all_that_is_owed_looks_at_each_once(works):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notifications_notification SET created_at = now() - interval '1 hour'"
        )
        cursor.execute("UPDATE notifications_attempt SET started_at = now() - interval '1 hour'")
    for look in (reconcile.reconcile, reconcile.abandon):
        found = read(look)
        assert max(found.values()) < 8 * ROWS, found


def test_ordering_keys(works, tenant):
    follows(ordering.wake, [(tenant.pk, "live:0"), (tenant.pk, "live:1")])
