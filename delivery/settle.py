"""Settle: what a provider's answer means, and writing it down. The one place for both.

`sent` is a fact: it holds whoever reports it, however late. Retry and end are opinions of the
lease holder: they are conditional on its fencing token, a late worker's changes nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.db import connection, transaction

from delivery.claim import Claim
from delivery.compose import Crashed, Shadowed, Stuck, Work
from delivery.driver import Answer, Copy, Failed, Fault, Sent, Unknown
from delivery.retry import wait_seconds
from delivery.routing import pause
from hiram.lib import ids
from hiram.lib.excerpt import excerpt
from hiram.telemetry import metrics
from notifications.states import State, before

LENGTHS = {"code": 40, "enhanced_code": 20, "provider_message_id": 512, "error": 2_000}
"""The most characters that are kept of a provider's words, as the columns have them."""

CRASHES_MOST = 4
"""Tries after which a row at which our own code fails is dead-lettered."""


@dataclass(frozen=True, slots=True)
class Result:
    """One call's answer. `seconds` is how long it took."""

    work: Work
    answer: Answer | Shadowed | Crashed
    seconds: float


@dataclass(frozen=True, slots=True)
class Ending:
    """A claimed row that ends, or waits, without a call."""

    claim: Claim
    status: State | None
    reason: str
    detail: str = ""


def settle(results: Sequence[Result]) -> None:
    """Write what the answers mean, all in one transaction."""
    if not results:
        return
    rows = [_row(result) for result in results]
    for result in results:
        if _pauses(result.work, result.answer) and result.work.route:
            detail = excerpt(str(getattr(result.answer, "detail", "")))
            pause(result.work.route, "bad_account", detail)
    with transaction.atomic():
        _lock(row["id"] for row in rows)
        _run(_SENT, [row for row in rows if row["verdict"] == "sent"])
        _run(_RETRY, [row for row in rows if row["verdict"] == "retry"])
        _run(_END, [row for row in rows if row["verdict"] == "end"])
    for result, row in zip(results, rows, strict=True):
        _count(result, row)


def _count(result: Result, row: dict[str, Any]) -> None:
    driver, channel = row["driver"] or "none", result.work.message.channel
    metrics.attempted(driver, row["outcome"], result.seconds)
    if row["outcome"] == "unknown":
        metrics.unknown_outcome(driver)
    if row["verdict"] != "retry":
        metrics.settled(row["status"] or "sent", channel)


def end(endings: Sequence[Ending]) -> None:
    """End, or give back unsent and park, claimed rows that are not to be called."""
    if not endings:
        return
    rows = [_ending(e) for e in endings]
    with transaction.atomic():
        _lock(row["id"] for row in rows)
        _run(_PARK, [row for row in rows if row["status"] is None])
        _run(_END, [row for row in rows if row["status"] is not None])


def stuck(found: Iterable[Stuck]) -> list[Ending]:
    """What becomes of rows that cannot go."""
    return [Ending(s.claim, None if s.parks else State.FAILED, s.reason, s.detail) for s in found]


def expired(claims: Iterable[Claim]) -> list[Ending]:
    """What becomes of rows whose time is over."""
    return [Ending(c, State.EXPIRED, "expired") for c in claims]


def _row(result: Result) -> dict[str, Any]:
    work, answer = result.work, result.answer
    route = work.route
    row = {
        "id": work.claim.id,
        "fence": work.claim.fence,
        "attempt_id": work.attempt_id,
        "event_ids": [ids.new(), ids.new()],
        "provider_id": route and route.provider_id,
        "provider_name": route and route.provider_name,
        "driver": route and route.driver_name,
        "latency_seconds": round(result.seconds, 4),
        **_EMPTY,
    }
    meaning: dict[str, Any]
    match answer:
        case Shadowed():
            meaning = {
                "verdict": "sent",
                "outcome": "shadow_would_send",
                "payload_sha256": answer.payload_sha256,
            }
        case Sent():
            meaning = {
                "verdict": "sent",
                "outcome": "sent",
                "provider_message_id": answer.provider_message_id or None,
                "enhanced_code": answer.enhanced_code or None,
                "payload_sha256": answer.payload_sha256 or None,
                "copies": [_copy(copy) for copy in answer.copies] or None,
            }
        case Crashed() if work.claim.tries + 1 >= CRASHES_MOST:
            meaning = {"verdict": "end", "outcome": "unknown", "status": State.FAILED}
            meaning["reason"] = "defect"
        case Unknown() | Crashed():
            wait = wait_seconds(work.claim.tries + 1, random.random(), unknown=True)  # noqa: S311
            meaning = {"verdict": "retry", "outcome": "unknown", "wait": wait, "counts": 1}
        case Failed():
            meaning = _failure(work, answer)
    row |= meaning
    if not isinstance(answer, Shadowed):
        row["code"] = answer.code or None
    if isinstance(answer, Failed | Unknown | Crashed):
        row["error"] = answer.detail
    return row | {name: excerpt(row[name])[:most] for name, most in LENGTHS.items() if row[name]}


def _copy(copy: Copy) -> dict[str, Any]:
    return asdict(replace(copy, code=excerpt(copy.code), detail=excerpt(copy.detail)))


_EMPTY: dict[str, Any] = dict.fromkeys((
    "code", "enhanced_code", "error", "fault", "provider_message_id", "payload_sha256", "copies",
    "wait", "counts", "status", "reason",
))  # fmt: skip


def _failure(work: Work, answer: Failed) -> dict[str, Any]:
    known = {"fault": answer.fault, "enhanced_code": answer.enhanced_code or None}
    if answer.fault in (Fault.BAD_ADDRESS, Fault.BAD_CONTENT):
        ended = {"verdict": "end", "status": State.FAILED, "reason": str(answer.fault)}
        return known | ended | {"outcome": "rejected"}
    if _pauses(work, answer):
        # The row goes back as it was: a wrong password must not burn a million rows.
        return known | {"verdict": "retry", "outcome": "refused", "wait": 0, "counts": 0}
    wait = wait_seconds(
        work.claim.tries + 1,
        random.random(),  # noqa: S311
        retry_after=answer.retry_after,
    )
    return known | {"verdict": "retry", "outcome": "refused", "wait": wait, "counts": 1}


def _pauses(work: Work, answer: Answer | Shadowed | Crashed) -> bool:
    return (
        isinstance(answer, Failed)
        and answer.fault is Fault.BAD_ACCOUNT
        and work.route is not None
        and work.route.provider_id is not None
    )


def _ending(e: Ending) -> dict[str, Any]:
    return {
        "id": e.claim.id,
        "fence": e.claim.fence,
        "attempt_id": None,
        "event_ids": [ids.new(), ids.new()],
        "lane_id": e.claim.lane_id,
        **_EMPTY,
        "status": e.status,
        "reason": e.reason,
        "error": e.detail or None,
    }


def _lock(found: Iterable[Any]) -> None:
    # Outbox rows first and in one order, as cancel does: no deadlock between the two.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM notifications_outboxmessage WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
            [sorted(found)],
        )


def _run(statement: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [json.dumps(rows, default=str)])


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
     SET outcome = x.outcome, finished_at = clock_timestamp(), fault = x.fault, code = x.code,
         enhanced_code = x.enhanced_code, error = x.error, copies = x.copies,
         provider_message_id = x.provider_message_id, payload_sha256 = x.payload_sha256
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

_SENT = f"""{_ROWS}, {_ATTEMPT.format(from_outcomes="'started', 'abandoned'")},
owed AS (
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

_RETRY = f"""{_ROWS}, {_ATTEMPT.format(from_outcomes="'started'")}
UPDATE notifications_outboxmessage o
   SET due_at = least(clock_timestamp() + make_interval(secs => x.wait), o.expires_at),
       leased_by = NULL, tries = o.tries + x.counts, claims = 0
  FROM x WHERE o.id = x.id AND o.fence = x.fence
"""

_END = f"""{_ROWS}, {_ATTEMPT.format(from_outcomes="'started'")},
owed AS (
  DELETE FROM notifications_outboxmessage o USING x WHERE o.id = x.id AND o.fence = x.fence
  RETURNING o.id
), notification AS (
  UPDATE notifications_notification n
     SET status = x.status, reason = x.reason, settled_at = clock_timestamp(),
         provider_id = x.provider_id, provider_name = x.provider_name, driver = x.driver
    FROM x JOIN owed USING (id) WHERE n.id = x.id AND n.status IN ('accepted', 'scheduled')
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
  UPDATE notifications_lane l SET paused_at = now(), reason = x.reason
    FROM (SELECT DISTINCT lane_id, reason FROM x) x WHERE l.id = x.lane_id AND l.paused_at IS NULL
)
UPDATE notifications_outboxmessage o SET due_at = clock_timestamp(), leased_by = NULL, claims = 0
  FROM x WHERE o.id = x.id AND o.fence = x.fence
"""
