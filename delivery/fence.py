"""Restore fence: an instance that runs from a copy sends nothing until somebody releases it.

The copy owes what was sent after it was made, and does not know. While the fence is up, which is
a row of its own table, no claim takes anything, in any process; see docs/adr/0011.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from delivery.retry import UNKNOWN_LEAST_SECONDS

FENCES_SKIPPED = 10**12
"""More tokens than any lost time used: three years of 10,000 claims a second."""

LOCK_SECONDS = 30

_ROW = UUID(int=1)

_PATIENCE = """
SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', '0', true)
"""

# Waits for every claim that has begun, and lets none begin before this transaction has ended.
_LOCK = "LOCK TABLE notifications_outboxmessage IN EXCLUSIVE MODE"

_RAISE = "INSERT INTO notifications_restorefence (id) VALUES (%s) ON CONFLICT DO NOTHING"

_SKIP = "SELECT setval('notifications_fence_seq', nextval('notifications_fence_seq') + %s)"

_END_LEASES = """
WITH abandoned AS (
  UPDATE notifications_attempt a SET outcome = 'abandoned', finished_at = clock_timestamp()
   WHERE a.outcome = 'started'
  RETURNING a.subject_id
), ended AS (
  UPDATE notifications_outboxmessage o
     SET fence = nextval('notifications_fence_seq'), leased_by = NULL,
         claims = greatest(0, o.claims - 1),
         due_at = CASE WHEN o.id IN (SELECT subject_id FROM abandoned)
                       THEN least(clock_timestamp() + make_interval(secs => %s), o.expires_at)
                       ELSE clock_timestamp() END
   WHERE o.leased_by IS NOT NULL
  RETURNING o.id
)
SELECT (SELECT count(*) FROM abandoned), (SELECT count(*) FROM ended)
"""

_STANDING = """
SELECT (SELECT min(raised_at) FROM notifications_restorefence), count(*),
       count(*) FILTER (WHERE o.due_at <= now())
  FROM notifications_outboxmessage o
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when the fence is up (None: it is not), and how many rows are owed, and due."""

    raised_at: datetime | None
    owed: int
    due: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Calls that were open in the copy, and leases that were held."""

    abandoned: int
    leases: int


def raise_fence() -> Ended:
    """Let nothing be claimed from now on, and end what was under way; harmless when it is up.

    Workers of before hold leases with tokens that no row has any more: they begin no call.

    Raises:
        django.db.OperationalError: the outbox could not be had within `LOCK_SECONDS`.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PATIENCE, [f"{LOCK_SECONDS}s"])
        cursor.execute(_LOCK)
        cursor.execute(_RAISE, [_ROW])
        cursor.execute(_SKIP, [FENCES_SKIPPED])
        cursor.execute(_END_LEASES, [UNKNOWN_LEAST_SECONDS])
        return Ended(*cursor.fetchone())


def release_fence() -> bool:
    """Let rows go on; whether the fence was up."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notifications_restorefence")
        return bool(cursor.rowcount)


def standing() -> Standing:
    """How it stands; counts all that is owed, which takes a second a million."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PATIENCE, [f"{LOCK_SECONDS}s"])
        cursor.execute(_STANDING)
        return Standing(*cursor.fetchone())


def is_up() -> bool:
    """Whether nothing may be claimed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM notifications_restorefence)")
        (up,) = cursor.fetchone()
    return bool(up)
