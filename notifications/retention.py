"""Retention: bodies are erased when they have been kept for as long as their tenant wants.

The time runs from the notification's end, so nothing that is owed is ever looked at, and what an
open dead letter could be replayed with is kept as long as any other body. The rules are read when
bodies are erased, not when they are written: a tenant's new ones hold for what it sent before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from tenants.policy import DEFAULTS

BATCH = 250
BATCH_OCTETS = 32 * 1024 * 1024
"""What one transaction erases at most; a single body is always less."""

SOON_SECONDS = 60
"""What is kept for no longer is looked for every second, the rest every minute."""

FULL_SECONDS = 60
MARKED_SECONDS = 3_600
RESPONSE_SECONDS = 30 * 86_400
"""How long the answers of webhooks' receivers are kept."""

_TENANTS = 500
_CHUNK = 2_000

Pair = tuple[UUID, str, int]
"""A tenant, a category, and for how many seconds its bodies are kept."""

_SOON = """
SELECT tenant_id, category, retain_seconds FROM tenants_categorypolicy
 WHERE retain_seconds IS NOT NULL AND retain_seconds <= %s
"""
_ALL = """
SELECT t.id, c.category, coalesce(p.retain_seconds, %s)
  FROM (SELECT id FROM tenants_tenant WHERE id > %s ORDER BY id LIMIT %s) t
 CROSS JOIN unnest(%s::text[]) AS c(category)
  LEFT JOIN tenants_categorypolicy p ON p.tenant_id = t.id AND p.category = c.category
 ORDER BY t.id
"""

# One index probe a pair, at the oldest end of what it still has. Skipping what is locked, it waits
# for nobody; what it locks, nobody waits for longer than for one batch.
_DUE = """
SELECT n.id, n.content_id, n.tenant_id, n.category, n.settled_at
  FROM unnest(%s::uuid[], %s::text[], %s::integer[], %s::timestamptz[])
       AS p(tenant_id, category, seconds, after)
 CROSS JOIN LATERAL (
   SELECT n.id, n.content_id, n.tenant_id, n.category, n.settled_at
     FROM notifications_notification n
    WHERE n.tenant_id = p.tenant_id AND n.category = p.category
      AND n.settled_at IS NOT NULL AND n.body_erased_at IS NULL
      AND n.settled_at > p.after
      AND n.settled_at <= now() - make_interval(secs => p.seconds)
    ORDER BY n.settled_at LIMIT %s FOR UPDATE SKIP LOCKED) n
 LIMIT %s
"""
_THESE = """
SELECT n.id, n.content_id, n.tenant_id, n.category, n.settled_at
  FROM notifications_notification n
 WHERE n.id = ANY(%s) AND n.settled_at IS NOT NULL AND n.body_erased_at IS NULL
 ORDER BY n.id FOR UPDATE
"""

# In the index's order and no further than the batch: sorting would read all that is due each time.
_PLANS = """
SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true)
"""

# A mark stays behind those that may commit an earlier end yet. Large bodies are large batches.
_ERASE = """
WITH found AS MATERIALIZED ({found}
), sized AS (
  SELECT f.*, coalesce(pg_column_size(c.payload), 0) AS octets
    FROM found f LEFT JOIN notifications_content c ON c.id = f.content_id
), chosen AS (
  SELECT s.*, sum(octets) OVER (ORDER BY settled_at, id) - octets AS before FROM sized s
), erased AS (
  UPDATE notifications_notification n SET subject = '', body_erased_at = clock_timestamp()
    FROM chosen x WHERE n.id = x.id AND x.before < {octets}
  RETURNING n.content_id, n.tenant_id, n.category,
            least(n.settled_at, now() - interval '1 minute') AS settled_at
)
SELECT tenant_id, category, max(settled_at), array_agg(content_id), count(*),
       (SELECT count(*) FROM found)
  FROM erased GROUP BY tenant_id, category
"""

# Of a body that several notifications have, the last to be erased takes it along. Whoever erases
# the others at the same time is waited for here, and what it did is seen by the next statement.
_LOCK = "SELECT FROM notifications_content WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
_DELETE = """
DELETE FROM notifications_content c
 WHERE c.id = ANY(%s)
   AND NOT EXISTS (SELECT FROM notifications_notification n
                    WHERE n.id = c.id AND n.content_id = c.id AND n.body_erased_at IS NULL)
   AND NOT EXISTS (SELECT FROM notifications_notification n
                    WHERE n.content_id = c.id AND n.content_id <> n.id
                      AND n.body_erased_at IS NULL)
"""

# Locked before they go: a key that is used anew at this moment is not forgotten.
_KEYS = """
DELETE FROM notifications_idempotencyrecord WHERE id IN (
  SELECT id FROM notifications_idempotencyrecord WHERE expires_at < now()
   ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""
_DEDUPLICATIONS = """
DELETE FROM notifications_deduplication WHERE id IN (
  SELECT id FROM notifications_deduplication WHERE expires_at < now()
   ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""
_RESPONSES = """
UPDATE notifications_attempt SET response = NULL WHERE id IN (
  SELECT id FROM notifications_attempt
   WHERE response IS NOT NULL AND started_at < now() - make_interval(secs => %s)
   ORDER BY started_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def erase(found: Sequence[UUID]) -> int:
    """Erase the bodies of these now, of those of them that have ended; how many.

    Unlike the sweep it waits for whoever works on one of them. The caller gives a few hundred.
    """
    octets = "'infinity'::float"
    return sum(row[4] for row in _erase(_ERASE.format(found=_THESE, octets=octets), [[*found]]))


class Sweeper:
    """Erases what is due, a batch at a time.

    It remembers how far it has come in each category of each tenant, lest it read the index of what
    is erased again and again; now and then it forgets that, for what was locked when it came by.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` says when to look, the database's what is due."""
        self._clock = clock
        self._marks: dict[tuple[UUID, str], datetime] = {}
        self._marked_at = clock()
        self._soon_at = self._full_at = float("-inf")
        self._walk: Iterator[None] | None = None

    def run(self, seconds: float) -> None:
        """Erase what is due, for so long at most."""
        until = time.monotonic() + seconds
        while self.step() and time.monotonic() < until:
            pass

    def step(self) -> bool:
        """Erase one batch, if it is time; whether to come again at once.

        Raises:
            django.db.OperationalError: nothing was erased, or during the commit that is unknown;
                what was not is still due.
        """
        at = self._clock()
        if at - self._soon_at >= 1:
            if not self._round(_read(_SOON, [SOON_SECONDS])):
                self._soon_at = at
            return True
        if self._walk is None and at - self._full_at >= self._full_seconds:
            self._full_at, self._walk = at, self._everything(at)
        if self._walk is None:
            return False
        try:
            next(self._walk)
        except BaseException as error:
            self._walk = None
            if isinstance(error, StopIteration):
                return False
            raise
        return True

    @property
    def _full_seconds(self) -> float:
        return 1 if settings.RETAIN_SECONDS <= SOON_SECONDS else FULL_SECONDS

    def _everything(self, at: float) -> Iterator[None]:
        """All pairs, page by page, then what else is past its time."""
        if at - self._marked_at >= MARKED_SECONDS:
            self._marks, self._marked_at = {}, at
        last = UUID(int=0)
        while page := _read(_ALL, [settings.RETAIN_SECONDS, last, _TENANTS, [*DEFAULTS]]):
            last = page[-1][0]
            while self._round(page):
                yield
            yield
        for forget in (
            partial(_write, _KEYS, [_CHUNK]),
            partial(_write, _DEDUPLICATIONS, [_CHUNK]),
            partial(_write, _RESPONSES, [RESPONSE_SECONDS, _CHUNK]),
        ):
            while forget() == _CHUNK:
                yield

    def _round(self, pairs: Sequence[Pair]) -> bool:
        """One batch; whether there may be more."""
        if not pairs:
            return False
        tenants, categories, seconds = (list(column) for column in zip(*pairs, strict=True))
        after = [self._marks.get((t, c), _EARLIEST) for t, c, _ in pairs]
        given = [tenants, categories, seconds, after, BATCH, BATCH]
        rows = _erase(_ERASE.format(found=_DUE, octets=BATCH_OCTETS), given)
        for tenant_id, category, settled_at, *_ in rows:
            self._marks[tenant_id, category] = settled_at
        erased = sum(row[4] for row in rows)
        return bool(rows) and (erased < rows[0][5] or erased == BATCH)


def _erase(statement: str, given: list[Any]) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PLANS)
        cursor.execute(statement, given)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        if contents := sorted({content for row in rows for content in row[3]}):
            cursor.execute(_LOCK, [contents])
            cursor.execute(_DELETE, [contents])
    return rows


def _read(statement: str, given: list[Any]) -> list[Pair]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return list(cursor.fetchall())


def _write(statement: str, given: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return int(cursor.rowcount)
