"""Claim: take due rows fairly, under a lease and a fencing token.

A row's `due_at` becomes the end of its lease: if the worker dies, the row is simply due again.
Fair means: tenants in turn, within a tenant its classes (high first), within a class its lanes
by weight. Cost follows the lanes that have rows, not those that exist.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection

from delivery import worker

LANES_SCANNED = 2_000
"""Lanes looked at in one claim, from a random one on, in each class and direction."""

LANES_TAKEN = 64
"""Lanes of one class that one claim takes rows from."""

LANE_LEAST = 4
"""Calls that each process may have open for a lane, however busy it is."""

SUSPECT_CLAIMS = 3
"""Claims in a row, this one included, of which none before had an outcome: two is one crash."""

COLUMNS = """o.id, o.tenant_id, o.topic, o.lane_id, o.rank, o.fence, o.tries, o.claims,
          o.released_fence, o.ordering_key, o.expires_at <= now(), o.traceparent"""

HEADS = """
RECURSIVE heads(rank, upto, lane_id, due_at, n) AS (
  SELECT s.rank, s.upto, o.lane_id, o.due_at, 1
    FROM (SELECT rank, lo, upto FROM generate_series(0, 2) rank,
                 (VALUES (%(pivot)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid),
                         ('00000000-0000-0000-0000-000000000000', %(pivot)s)) b(lo, upto)) s
   CROSS JOIN LATERAL (
     SELECT lane_id, due_at FROM notifications_outboxmessage o
      WHERE o.rank = s.rank AND o.lane_id >= s.lo AND o.lane_id < s.upto
      ORDER BY o.lane_id, o.due_at LIMIT 1) o
   WHERE NOT EXISTS (SELECT FROM notifications_restorefence)
  UNION ALL
  SELECT h.rank, h.upto, o.lane_id, o.due_at, h.n + 1
    FROM heads h
   CROSS JOIN LATERAL (
     SELECT lane_id, due_at FROM notifications_outboxmessage o
      WHERE o.rank = h.rank AND o.lane_id > h.lane_id AND o.lane_id < h.upto
      ORDER BY o.lane_id, o.due_at LIMIT 1) o
   WHERE h.n < %(scanned)s
)"""
"""The first row of each lane: one index probe a lane, whatever stands behind it. None while the
restore fence is up."""

_CLAIM = f"""
WITH {HEADS}, active AS MATERIALIZED (
  SELECT * FROM (
    SELECT l.id, l.tenant_id, l.rank, l.weight, l.max_in_flight AS cap, random() AS dice,
           CASE WHEN l.rank = 0 THEN %(free)s ELSE %(free_for_rest)s END AS free,
           row_number() OVER (PARTITION BY l.rank ORDER BY random()) AS chance
      FROM heads h CROSS JOIN LATERAL (
        SELECT * FROM notifications_lane WHERE id = h.lane_id OFFSET 0) l
     WHERE h.due_at <= now() AND l.paused_at IS NULL) a
   WHERE chance <= %(lanes)s
), waiting AS MATERIALIZED (
  SELECT a.*, (
    SELECT count(*) FROM (
      SELECT FROM notifications_outboxmessage o
       WHERE o.rank = a.rank AND o.lane_id = a.id AND o.due_at <= now()
       LIMIT (
         SELECT greatest(0, least(a.free, CASE
                  WHEN a.cap IS NULL THEN greatest(%(least)s - mine, ceil((a.free - mine) / 2.0))
                  ELSE least(a.cap - in_flight, ceil(a.cap / %(processes)s::float) - mine) END))
           FROM (SELECT count(*) AS in_flight,
                        count(*) FILTER (WHERE b.leased_by = %(worker)s) AS mine
                   FROM notifications_outboxmessage b
                  WHERE b.lane_id = a.id AND b.leased_by IS NOT NULL AND b.due_at > now()) f
       )) w) AS rows
    FROM active a
), turns AS (
  SELECT w.id, w.rank, w.dice,
         row_number() OVER (PARTITION BY w.tenant_id
                            ORDER BY w.rank, (t.n - 1) / w.weight, w.dice, t.n) AS turn
    FROM waiting w CROSS JOIN LATERAL generate_series(1, w.rows) t(n)
), placed AS (
  SELECT id, rank, turn, dice,
         count(*) FILTER (WHERE rank > 0) OVER (ORDER BY turn, dice, id) AS rest
    FROM turns
), chosen AS MATERIALIZED (
  SELECT id, rank, count(*) AS take FROM (
    SELECT id, rank FROM placed WHERE rank = 0 OR rest <= %(free_for_rest)s
     ORDER BY turn, dice, id LIMIT %(free)s) p
   GROUP BY id, rank
), picked AS MATERIALIZED (
  SELECT o.id FROM chosen c CROSS JOIN LATERAL (
    SELECT o.id FROM notifications_outboxmessage o
     WHERE o.rank = c.rank AND o.lane_id = c.id AND o.due_at <= now()
     ORDER BY o.due_at LIMIT c.take FOR UPDATE SKIP LOCKED) o
)
UPDATE notifications_outboxmessage o
   SET fence = nextval('notifications_fence_seq'), leased_by = %(worker)s,
       due_at = clock_timestamp() + make_interval(secs => %(lease)s),
       claims = greatest(o.claims, least(o.claims + 1, %(suspect)s))
  FROM picked p WHERE o.id = ANY(ARRAY[p.id])
RETURNING {COLUMNS}
"""

_LEASED = f"""
SELECT {COLUMNS} FROM notifications_outboxmessage o
 WHERE o.id = %s AND o.fence = %s AND o.due_at > now()
"""

_BEGIN = """
WITH x AS (
  SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS x(
    id uuid, fence bigint, attempt_id uuid, provider_id uuid, provider_name text, driver text,
    shadow boolean, route jsonb)
), mine AS MATERIALIZED (
  SELECT o.id, o.tenant_id
    FROM x JOIN notifications_outboxmessage o ON o.id = ANY(ARRAY[x.id]) AND o.fence = x.fence
   WHERE o.due_at > clock_timestamp() + make_interval(secs => %(call)s)
     AND o.expires_at > clock_timestamp()
   ORDER BY x.id FOR UPDATE OF o
), abandoned AS (
  UPDATE notifications_attempt a SET outcome = 'abandoned', finished_at = clock_timestamp()
    FROM mine m WHERE a.subject_id = ANY(ARRAY[m.id]) AND a.outcome = 'started'
)
INSERT INTO notifications_attempt
       (id, tenant_id, subject_id, number, fence, worker, outcome, provider_id, provider_name,
        driver, shadow, route)
SELECT x.attempt_id, m.tenant_id, m.id,
       1 + (SELECT count(*) FROM notifications_attempt a WHERE a.subject_id = m.id),
       x.fence, %(worker)s, 'started', x.provider_id, x.provider_name, x.driver, x.shadow,
       x.route
  FROM mine m JOIN x USING (id)
RETURNING subject_id, number
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """One leased row. `taken_at` is this process's monotonic time before the lease began."""

    taken_at: float
    id: UUID
    tenant_id: UUID
    topic: str
    lane_id: UUID
    rank: int
    fence: int
    tries: int
    claims: int
    released_fence: int
    ordering_key: str | None
    expired: bool
    traceparent: str | None


def claim(free: int, *, reserved: int = 0) -> list[Claim]:
    """Lease up to `free` due rows, leaving `reserved` of the slots to the class high.

    A lane may have as many in flight in this process as slots stay free beside it, so that one
    slow provider leaves half of them to others, two leave a third (Choudhury and Hahne, "Dynamic
    queue length thresholds for shared-memory packet switches", 1998). Of a lane with a limit of
    its own this process takes its share, so that the other processes work too.
    """
    before = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "pivot": uuid4(),
                "scanned": LANES_SCANNED,
                "lanes": LANES_TAKEN,
                "least": LANE_LEAST,
                "processes": settings.WORKER_PROCESSES,
                "free": free,
                "free_for_rest": max(0, free - reserved),
                "worker": worker.name(),
                "lease": settings.LEASE_SECONDS,
                "suspect": SUSPECT_CLAIMS,
            },
        )
        return [Claim(before, *row) for row in cursor.fetchall()]


def leased(row_id: UUID, fence: int, taken_at: float) -> Claim | None:
    """The claim of this row and token, if its lease still holds."""
    with connection.cursor() as cursor:
        cursor.execute(_LEASED, [row_id, fence])
        row = cursor.fetchone()
    return Claim(taken_at, *row) if row else None


def begin(rows: Sequence[dict[str, Any]]) -> dict[UUID, int]:
    """Commit the attempts as `started`; the numbers of those that may be called, by id.

    A row that is not in the answer must not be called: the lease was lost, or could not outlast
    the call, or the row expired meanwhile. Attempts that a crashed worker left open become
    `abandoned` here.
    """
    if not rows:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _BEGIN,
            {
                "rows": json.dumps(rows, default=str),
                "call": settings.CALL_SECONDS,
                "worker": worker.name(),
            },
        )
        return dict(cursor.fetchall())
