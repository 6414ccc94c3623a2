"""Crowd: no more calls of a provider at the same time than its account allows, of all workers.

Calls at the same time are open attempts, which PostgreSQL counts; a lock of the provider is held
from counting them to committing the new ones. Providers without a limit take no lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction

from delivery.routing import PROVIDER_LIMITED
from delivery.work import Fate, Stuck, Work

AGAIN_SECONDS = 0.25
"""How soon what had no place asks again: about as long as calls take."""

_LOCK = """
SELECT pg_advisory_xact_lock(h) FROM (
  SELECT DISTINCT hashtextextended(id, 3359) AS h FROM unnest(%s::text[]) id ORDER BY 1 OFFSET 0) s
"""

_OPEN = """
SELECT provider_id, count(*) FROM notifications_attempt
 WHERE outcome = 'started' AND provider_id = ANY(%s) GROUP BY provider_id
"""


@contextmanager
def admitted(works: Sequence[Work]) -> Iterator[tuple[list[Work], list[Stuck]]]:
    """Those that may be called now, and those that have no place; attempts are begun inside."""
    limits = {
        work.way.route.provider_id: work.way.max_in_flight
        for work in works
        if work.way and work.way.max_in_flight and work.way.route.provider_id
    }
    if not limits:
        yield list(works), []
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [[str(key) for key in limits]])
        cursor.execute(_OPEN, [list(limits)])
        yield _split(works, limits, Counter(dict(cursor.fetchall())))


def _split(
    works: Sequence[Work], limits: dict[UUID, int], calls: Counter[UUID]
) -> tuple[list[Work], list[Stuck]]:
    may, surplus = [], []
    for work in works:
        provider_id = work.way and work.way.route.provider_id
        limit = limits.get(provider_id) if provider_id else None
        if provider_id and limit and calls[provider_id] >= limit:
            surplus.append(Stuck(work.claim, PROVIDER_LIMITED, Fate.WAIT, AGAIN_SECONDS))
            continue
        if provider_id:
            calls[provider_id] += 1
        may.append(work)
    return may, surplus
