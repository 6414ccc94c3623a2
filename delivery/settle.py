"""Settle: write down what the answers mean, and what ends or waits without a call.

`sent` is a fact: it holds whoever reports it, however late. Retry and end are opinions of the
lease holder: they are conditional on its fencing token, a late worker's changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from delivery.claim import Claim
from delivery.compose import Fate, Stuck
from delivery.route import pause
from delivery.verdict import EMPTY, Result, pauses, verdict
from hiram.lib import ids
from hiram.lib.excerpt import excerpt
from hiram.telemetry import metrics
from notifications import ordering
from notifications.states import State, before


@dataclass(frozen=True, slots=True)
class Ending:
    """A claimed row that ends, or waits, without a call.

    Without a `status` its lane waits, or it alone (`alone`), for `seconds` at least.
    """

    claim: Claim
    status: State | None
    reason: str
    detail: str = ""
    seconds: float = 0
    alone: bool = False


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
        _run(_SENT, sent)
        _run(_RETRY, [row for row in rows if row["verdict"] == "retry"])
        _run(_HOLD, [row for row in rows if row["verdict"] == "hold"])
        _run(_END, [row for row in rows if row["verdict"] == "end"])
        ordering.wake(turns)
    for result, row in zip(results, rows, strict=True):
        _count(result, row)


def heard(rows: Sequence[dict[str, Any]]) -> None:
    """Write that a provider has these, because it said so by itself.

    It is the same fact as a late `sent`. The caller's transaction has locked the outbox rows, then
    the notifications, then the ordering keys, and wakes these.
    """
    _run(_HEARD, list(rows))


def _count(result: Result, row: dict[str, Any]) -> None:
    driver, channel = row["driver"] or "none", result.work.message.channel
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
    ended = [_ending(e) for e in endings if e.status not in (None, State.HELD)]
    turns = _turns(e.claim for e in endings if e.status not in (None, State.HELD))
    with _transaction():
        _lock("outboxmessage", [*waiting, *parked, *held, *ended])
        ordering.lock(turns)
        _run(_RETRY, waiting)
        _run(_PARK, parked)
        _run(_HOLD, held)
        _run(_END, ended)
        ordering.wake(turns)


def _turns(ended: Iterable[Claim]) -> set[tuple[UUID, str]]:
    """Of which others it is the turn now."""
    return {(claim.tenant_id, claim.ordering_key) for claim in ended if claim.ordering_key}


_FATES = {Fate.HOLD: State.HELD, Fate.FAIL: State.FAILED, Fate.EXPIRE: State.EXPIRED}


def stuck(found: Iterable[Stuck]) -> list[Ending]:
    """What becomes of rows that cannot go."""
    return [
        Ending(s.claim, _FATES.get(s.fate), s.reason, s.detail, s.seconds, s.fate is Fate.WAIT)
        for s in found
    ]


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
            cursor.execute(_LOCKS[table], [sorted(row["id"] for row in rows)])


def _run(statement: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [json.dumps(rows, default=str)])


_LOCKS = {
    table: f"SELECT FROM notifications_{table} WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
    for table in ("outboxmessage", "notification")
}

_ROWS = """
WITH x AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(%s::jsonb) AS x(
    id uuid, fence bigint, attempt_id uuid, event_ids uuid[], lane_id uuid, provider_id uuid,
    provider_name text, driver text, outcome text, fault text, code text, enhanced_code text,
    error text, provider_message_id text, payload_sha256 text, copies jsonb, wait float,
    counts smallint, status text, reason text)
)"""

_ATTEMPT = """
attempt AS (
  UPDATE notifications_attempt a
     SET outcome = x.outcome, fault = x.fault, code = x.code,
         enhanced_code = x.enhanced_code, error = coalesce(x.error, a.error), copies = x.copies,
         provider_message_id = x.provider_message_id, payload_sha256 = x.payload_sha256,
         finished_at = CASE WHEN a.outcome = 'unknown' THEN a.finished_at
                            ELSE clock_timestamp() END
    FROM x WHERE a.id = x.attempt_id AND a.outcome IN ({from_outcomes})
  RETURNING a.subject_id, a.tenant_id, a.id, a.number, a.outcome
), attempted AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT x.event_ids[1], a.tenant_id, n.id, n.mode, 'notification.attempted',
         jsonb_build_object('attempt_id', a.id, 'number', a.number, 'outcome', a.outcome,
                            'fault', x.fault, 'provider', x.provider_name)
    FROM attempt a JOIN x ON x.attempt_id = a.id
    JOIN notifications_notification n ON n.id = a.subject_id
)"""

_FACT = f"""{_ROWS}, {_ATTEMPT},
evidence AS (
  UPDATE notifications_attempt a
     SET code = coalesce(x.code, a.code), copies = coalesce(x.copies, a.copies),
         payload_sha256 = coalesce(x.payload_sha256, a.payload_sha256),
         provider_message_id = coalesce(x.provider_message_id, a.provider_message_id)
    FROM x WHERE a.id = x.attempt_id AND a.outcome = 'sent'
), owed AS (
  DELETE FROM notifications_outboxmessage o USING x WHERE o.id = x.id
), notification AS (
  UPDATE notifications_notification n
     SET status = 'sent', reason = NULL, sent_at = clock_timestamp(),
         settled_at = coalesce(n.settled_at, clock_timestamp()), provider_id = x.provider_id,
         provider_name = x.provider_name, driver = x.driver,
         provider_message_id = x.provider_message_id
    FROM x WHERE n.id = x.id AND n.status IN ({", ".join(f"'{s}'" for s in before(State.SENT))})
  RETURNING n.id, n.tenant_id, n.mode
), revived AS (
  UPDATE notifications_deadletter d SET closed_at = now()
    FROM notification n
   WHERE d.tenant_id = n.tenant_id AND d.notification_id = n.id AND d.closed_at IS NULL
)
INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
SELECT x.event_ids[2], n.tenant_id, n.id, n.mode, 'notification.sent',
       jsonb_build_object('provider', x.provider_name, 'driver', x.driver)
  FROM notification n JOIN x USING (id)
"""

_SENT = _FACT.format(from_outcomes="'started', 'abandoned'")
_HEARD = _FACT.format(from_outcomes="'started', 'abandoned', 'unknown'")
"""A receipt also knows of a call whose answer was lost; `evidence` is for its answer after all."""

_RETRY = f"""{_ROWS}, {_ATTEMPT.format(from_outcomes="'started'")}
UPDATE notifications_outboxmessage o
   SET due_at = least(clock_timestamp() + make_interval(secs => x.wait), o.expires_at),
       leased_by = NULL, tries = o.tries + x.counts, claims = 0
  FROM x WHERE o.id = x.id AND o.fence = x.fence
"""

_HOLD = f"""{_ROWS}, {_ATTEMPT.format(from_outcomes="'started'")},
owed AS (
  UPDATE notifications_outboxmessage o
     SET due_at = o.expires_at, leased_by = NULL, tries = o.tries + x.counts, claims = 0
    FROM x WHERE o.id = x.id AND o.fence = x.fence
  RETURNING o.id
), notification AS (
  UPDATE notifications_notification n SET status = 'held', reason = x.reason
    FROM x JOIN owed USING (id) WHERE n.id = x.id AND n.status IN ('accepted', 'scheduled')
  RETURNING n.id, n.tenant_id, n.mode
)
INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
SELECT x.event_ids[2], n.tenant_id, n.id, n.mode, 'notification.held',
       jsonb_build_object('reason', x.reason)
  FROM notification n JOIN x USING (id)
"""

_END = f"""{_ROWS}, {_ATTEMPT.format(from_outcomes="'started'")},
owed AS (
  DELETE FROM notifications_outboxmessage o USING x WHERE o.id = x.id AND o.fence = x.fence
  RETURNING o.id
), notification AS (
  UPDATE notifications_notification n
     SET status = x.status, reason = x.reason, settled_at = clock_timestamp(),
         provider_id = x.provider_id, provider_name = x.provider_name, driver = x.driver
    FROM x JOIN owed USING (id) WHERE n.id = x.id AND n.status IN ('accepted', 'scheduled', 'held')
  RETURNING n.id, n.tenant_id, n.mode, n.status
), letter AS (
  INSERT INTO notifications_deadletter (id, tenant_id, notification_id, reason, detail)
  SELECT gen_random_uuid(), n.tenant_id, n.id, x.reason, coalesce(x.error, '')
    FROM notification n JOIN x USING (id) WHERE n.status = 'failed'
  ON CONFLICT DO NOTHING
)
INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
SELECT x.event_ids[2], n.tenant_id, n.id, n.mode, 'notification.' || n.status,
       jsonb_build_object('reason', x.reason)
  FROM notification n JOIN x USING (id)
"""

_PARK = f"""{_ROWS}, lane AS (
  UPDATE notifications_lane l
     SET paused_at = now(), reason = x.reason,
         resume_at = now() + make_interval(secs => x.wait)
    FROM (SELECT lane_id, min(reason) AS reason, max(wait) AS wait FROM x GROUP BY lane_id) x
   WHERE l.id = x.lane_id AND l.paused_at IS NULL
)
UPDATE notifications_outboxmessage o SET due_at = clock_timestamp(), leased_by = NULL, claims = 0
  FROM x WHERE o.id = x.id AND o.fence = x.fence
"""
