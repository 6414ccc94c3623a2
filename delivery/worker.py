"""A worker's name, which tells later whether it still lives, and the leases of the dead.

An ended lease alone recovers every crash. This only shortens the wait where the crash can be
seen: on the same machine, in the same process namespace. Until then a dead worker's rows would
count as in flight, and a lane at its cap would stand still for the length of a lease.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.db import connection

from delivery.retry import UNKNOWN_LEAST_SECONDS

_PROC = Path("/proc")

_LEASED = """
SELECT DISTINCT leased_by FROM notifications_outboxmessage
 WHERE leased_by IS NOT NULL AND due_at > now()
"""

_RELEASE = """
WITH left_behind AS MATERIALIZED (
  SELECT o.id, o.fence FROM notifications_outboxmessage o
   WHERE o.leased_by = ANY(%(workers)s) AND o.due_at > now()
     AND (o.id, o.fence) NOT IN (SELECT * FROM unnest(%(ids)s::uuid[], %(fences)s::bigint[]))
   ORDER BY o.id FOR UPDATE SKIP LOCKED
), abandoned AS (
  UPDATE notifications_attempt a SET outcome = 'abandoned', finished_at = clock_timestamp()
    FROM left_behind l
   WHERE a.subject_id = ANY(ARRAY[l.id]) AND a.fence = l.fence AND a.outcome = 'started'
  RETURNING a.subject_id
)
UPDATE notifications_outboxmessage o
   SET leased_by = NULL, claims = greatest(0, o.claims - %(forgiven)s),
       due_at = CASE WHEN o.id IN (SELECT subject_id FROM abandoned)
                     THEN least(clock_timestamp() + make_interval(secs => %(wait)s), o.expires_at)
                     ELSE clock_timestamp() END
  FROM left_behind l WHERE o.id = ANY(ARRAY[l.id])
"""


def name() -> str:
    """This process: its host, its id and start, and the kernel and namespace that these are of."""
    return _name(os.getpid())


@lru_cache(maxsize=1)
def _name(pid: int) -> str:
    return f"{socket.gethostname()[:30]}:{pid}:{_started(pid)}:{_namespace()}"


def release_dead() -> int:
    """Give back the leases of workers that died here; how many rows.

    A row whose call had begun waits as after a lost answer: it may have been sent.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LEASED)
        dead = [worker for (worker,) in cursor.fetchall() if _is_dead(worker)]
    return _release(dead) if dead else 0


def release_own(but: Collection[tuple[UUID, int]]) -> int:
    """Give back what this process has leased, `but` these ids with their fencing tokens.

    For the rows of a claim that PostgreSQL went away with: no fault of theirs, so that claim does
    not count against them. How many rows.
    """
    return _release([name()], but, forgiven=1)


def _release(
    workers: Sequence[str], but: Collection[tuple[UUID, int]] = (), *, forgiven: int = 0
) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _RELEASE,
            {
                "workers": list(workers),
                "ids": [row_id for row_id, _ in but],
                "fences": [fence for _, fence in but],
                "forgiven": forgiven,
                "wait": UNKNOWN_LEAST_SECONDS,
            },
        )
        return int(cursor.rowcount)


def _is_dead(worker: str) -> bool:
    """Whether the worker can be seen to have ended; false where that cannot be known."""
    _, pid, started, namespace = (worker.split(":") + [""] * 4)[:4]
    if not started or namespace != _namespace() or not pid.isdecimal():
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """When the process started, in clock ticks after boot (proc(5), field 22); empty if unknown."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    # A zombie has ended; only its parent has not noticed.
    return "" if fields[0] in "ZX" else fields[19]


@lru_cache(maxsize=1)
def _namespace() -> str:
    """The kernel's boot and the process namespace, within which process ids mean something."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text()[:8]
        return f"{boot}-{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""
