"""Settle: write down what the answers mean, and what ends or waits without a call.

`sent` is a fact: it holds whoever reports it, however late. Retry and end are opinions of the
lease holder: they are conditional on its fencing token, a late worker's changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from delivery.claim import Claim
from delivery.route import pause
from delivery.statements import DEFER, END, HEARD, HOLD, LOCKS, PARK, RETRY, SENT
from delivery.verdict import EMPTY, Result, pauses, verdict
from delivery.work import Fate, Stuck
from hiram.lib import ids
from hiram.lib.excerpt import excerpt
from hiram.telemetry import metrics
from notifications import ordering
from notifications.states import State


@dataclass(frozen=True, slots=True)
class Ending:
    """A claimed row that ends, or waits, without a call.

    Without a `status` its lane waits, or it alone (`alone`), for `seconds` at least; with one that
    is scheduled it is put off `until` then.
    """

    claim: Claim
    status: State | None
    reason: str
    detail: str = ""
    seconds: float = 0
    alone: bool = False
    until: datetime | None = None


def settle(results: Sequence[Result]) -> None:
    """Write what the answers mean, all in one transaction."""
    if not results:
        return
    rows = [verdict(result) for result in results]
    for result in results:
        if pauses(result.work, result.answer) and result.work.route:
            detail = excerpt(str(getattr(result.answer, "detail", "")))
            pause(result.work.route, "bad_account", detail)
    sent = [row for row in rows if row["verdict"] == "sent"]
    turns = _turns(
        r.work.claim
        for r, row in zip(results, rows, strict=True)
        if row["verdict"] in ("sent", "end")
    )
    with _transaction():
        _lock("outboxmessage", rows)
        # A `sent` that comes late finds no outbox row to wait at, while a replay makes one anew.
        _lock("notification", sent)
        ordering.lock(turns)
        _run(SENT, sent)
        _run(RETRY, [row for row in rows if row["verdict"] == "retry"])
        _run(HOLD, [row for row in rows if row["verdict"] == "hold"])
        _run(END, [row for row in rows if row["verdict"] == "end"])
        ordering.wake(turns)
    for result, row in zip(results, rows, strict=True):
        _count(result, row)


def heard(rows: Sequence[dict[str, Any]]) -> None:
    """Write that a provider has these, because it said so by itself.

    It is the same fact as a late `sent`. The caller's transaction has locked the outbox rows, then
    the notifications, then the ordering keys, and wakes these.
    """
    _run(HEARD, list(rows))


def _count(result: Result, row: dict[str, Any]) -> None:
    driver, channel = result.work.driver_name, result.work.channel
    metrics.attempted(driver, row["outcome"], result.seconds)
    if row["outcome"] == "unknown":
        metrics.unknown_outcome(driver)
    if row["verdict"] in ("sent", "end"):
        metrics.settled(row["status"] or "sent", channel)


def end(endings: Sequence[Ending]) -> None:
    """End, or give back unsent and park, claimed rows that are not to be called."""
    if not endings:
        return
    waiting = [_ending(e) for e in endings if e.status is None and e.alone]
    parked = [_ending(e) for e in endings if e.status is None and not e.alone]
    held = [_ending(e) for e in endings if e.status is State.HELD]
    deferred = [_ending(e) for e in endings if e.status is State.SCHEDULED]
    ended = [_ending(e) for e in endings if e.status not in _OWED]
    turns = _turns(e.claim for e in endings if e.status not in _OWED)
    with _transaction():
        _lock("outboxmessage", [*waiting, *parked, *held, *deferred, *ended])
        ordering.lock(turns)
        _run(RETRY, waiting)
        _run(PARK, parked)
        _run(HOLD, held)
        _run(DEFER, deferred)
        _run(END, ended)
        ordering.wake(turns)


def _turns(ended: Iterable[Claim]) -> set[tuple[UUID, str]]:
    """Of which others it is the turn now."""
    return {(claim.tenant_id, claim.ordering_key) for claim in ended if claim.ordering_key}


_OWED = (None, State.HELD, State.SCHEDULED)
"""What an ending may be after which it is owed as before."""

_FATES = {
    Fate.HOLD: State.HELD,
    Fate.DEFER: State.SCHEDULED,
    Fate.FAIL: State.FAILED,
    Fate.EXPIRE: State.EXPIRED,
    Fate.SUPPRESS: State.SUPPRESSED,
}


def stuck(found: Iterable[Stuck]) -> list[Ending]:
    """What becomes of rows that cannot go."""
    return [
        Ending(
            s.claim, _FATES.get(s.fate), s.reason, s.detail, s.seconds, s.fate is Fate.WAIT, s.until
        )
        for s in found
    ]  # fmt: skip


def expired(claims: Iterable[Claim]) -> list[Ending]:
    """What becomes of rows whose time is over."""
    return [Ending(c, State.EXPIRED, "expired") for c in claims]


def _ending(e: Ending) -> dict[str, Any]:
    return {
        "id": e.claim.id,
        "fence": e.claim.fence,
        "attempt_id": None,
        "event_ids": [ids.new(), ids.new()],
        "lane_id": e.claim.lane_id,
        **EMPTY,
        "wait": e.seconds,
        "counts": 0,
        "status": e.status,
        "reason": e.reason,
        "error": e.detail or None,
        "until": e.until,
    }


@contextmanager
def _transaction() -> Iterator[None]:
    """One transaction in one round trip: its statements are sent together, then waited for once.

    Each still sees what was committed before it began, so behind the lock nothing is missed.
    """
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        connection.connection.pipeline(),
        transaction.atomic(),
    ):
        yield


def _lock(table: str, rows: Sequence[dict[str, Any]]) -> None:
    # Outbox rows first and in one order, as cancel does: no deadlock between the two.
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(LOCKS[table], [sorted(row["id"] for row in rows)])


def _run(statement: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [json.dumps(rows, default=str)])
