"""Apply: what receipts mean for notifications. States move along the table, never back.

A receipt is matched with the attempt it is about: by our own id where the vendor echoes it, by the
vendor's name of the message, or by our key. Only attempts through the receipt's own provider are
looked at, so nobody reports on what another tenant has sent. What matches nothing yet waits.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from delivery.driver import Kind
from delivery.settle import heard
from delivery.verdict import EMPTY
from hiram.lib import ids
from hiram.telemetry import metrics
from notifications import ordering
from notifications.models import Suppression
from notifications.states import State, before, may_move
from notifications.suppression import normalised, suppressed, write

BATCH = 100

_DUE = """
SELECT id, provider_id, kind, hard, provider_message_id, attempt_id, notification_id,
       coalesce(recipient, ''), code, description, least(happened_at, received_at)
  FROM delivery_receipt
 WHERE applied_at IS NULL AND due_at <= now()
 ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED
"""

# One index probe a way, the surest first; of several attempts under one key that which was sent.
_MATCH = """
SELECT r.id, m.id, m.subject_id
  FROM delivery_receipt r CROSS JOIN LATERAL (
    SELECT w.id, w.subject_id FROM (
      SELECT 1 AS way, a.id, a.subject_id, a.outcome, a.number FROM notifications_attempt a
       WHERE a.id = r.attempt_id AND a.provider_id = r.provider_id
       UNION ALL
      SELECT 2, a.id, a.subject_id, a.outcome, a.number FROM notifications_attempt a
       WHERE a.provider_id = r.provider_id AND r.provider_message_id <> ''
         AND a.provider_message_id = r.provider_message_id
       UNION ALL
      SELECT 3, a.id, a.subject_id, a.outcome, a.number FROM notifications_attempt a
       WHERE a.subject_id = r.notification_id AND a.provider_id = r.provider_id
         AND a.outcome IN ('started', 'sent', 'unknown', 'abandoned')) w
     ORDER BY w.way, w.outcome = 'sent' DESC, w.number DESC LIMIT 1) m
 WHERE r.id = ANY(%s)
"""

# Each look is as far from the last as the receipt is old, an hour at most.
_WAIT = """
UPDATE delivery_receipt
   SET due_at = clock_timestamp()
              + least(interval '1 hour', greatest(interval '1 second', now() - received_at))
 WHERE id = ANY(%s)
"""

_LOCK_OWED = """
SELECT tenant_id, ordering_key FROM notifications_outboxmessage WHERE id = ANY(%s)
 ORDER BY id FOR UPDATE
"""
_LOCK = """
SELECT id, tenant_id, mode, channel, recipient, status FROM notifications_notification
 WHERE id = ANY(%s) ORDER BY id FOR UPDATE
"""
_ATTEMPTS = """
SELECT id, outcome, fence, provider_id, provider_name, driver FROM notifications_attempt
 WHERE id = ANY(%s) AND NOT shadow
"""

_MOVE = """
UPDATE notifications_notification n
   SET status = x.status, reason = x.reason, delivered_at = coalesce(x.at, n.delivered_at)
  FROM jsonb_to_recordset(%s::jsonb) AS x(id uuid, status text, reason text, at timestamptz)
 WHERE n.id = x.id
"""

_APPLIED = """
UPDATE delivery_receipt r
   SET applied_at = clock_timestamp(), attempt_id = x.attempt_id, notification_id = x.id
  FROM jsonb_to_recordset(%s::jsonb) AS x(receipt_id uuid, attempt_id uuid, id uuid)
 WHERE r.id = x.receipt_id
"""

_EVENTS = """
INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
SELECT * FROM jsonb_to_recordset(%s::jsonb) AS x(
  id uuid, tenant_id uuid, notification_id uuid, mode text, type text, data jsonb)
"""

_STATES = {
    Kind.DELIVERED: State.DELIVERED,
    Kind.BOUNCED: State.BOUNCED,
    Kind.COMPLAINED: State.COMPLAINED,
}
_DOUBTFUL = ("started", "unknown", "abandoned")
_SILENT = (Kind.ACCEPTED, *_STATES)
"""Kinds that write no event unless they change the state."""


class _Heard(NamedTuple):
    """One receipt, as it is read; sorted by its id in the order in which they came."""

    id: UUID
    provider_id: UUID
    kind: str
    hard: bool
    provider_message_id: str
    attempt_id: UUID | None
    notification_id: UUID | None
    recipient: str
    code: str
    description: str
    at: datetime

    @property
    def reason(self) -> str | None:
        """Why, as the notification and the list of the suppressed have it."""
        if self.kind == Kind.COMPLAINED:
            return Suppression.Reason.COMPLAINT
        if self.kind == Kind.BOUNCED:
            return Suppression.Reason.HARD_BOUNCE if self.hard else "soft_bounce"
        return None


@dataclass
class _Notification:
    """Where one stands, while receipts are applied to it."""

    id: UUID
    tenant_id: UUID
    mode: str
    channel: str
    recipient: str
    status: str


@dataclass
class _Changes:
    """What the receipts of one batch change."""

    heard: dict[UUID, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    moved: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    suppressed: list[Suppression] = field(default_factory=list)


def apply() -> int:
    """Apply receipts that are due, up to `BATCH`; how many were looked at.

    Raises:
        django.db.OperationalError: nothing was applied, or during the commit that is unknown; what
            was not applied is still due.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DUE, [BATCH])
        receipts = sorted(_Heard(*row) for row in cursor.fetchall())
        if not receipts:
            return 0
        cursor.execute(_MATCH, [[receipt.id for receipt in receipts]])
        found = {receipt: (attempt, subject) for receipt, attempt, subject in cursor.fetchall()}
        cursor.execute(_WAIT, [[receipt.id for receipt in receipts if receipt.id not in found]])
        changes = _apply(cursor, [r for r in receipts if r.id in found], found)
    for rows in changes.heard.values():
        metrics.settled(str(State.SENT), rows[0]["channel"])
    return len(receipts)


def _apply(
    cursor: Any, receipts: Sequence[_Heard], found: dict[UUID, tuple[UUID, UUID]]
) -> _Changes:
    subjects = sorted({subject for _, subject in found.values()})
    # In settle's order, and so under the same locks.
    cursor.execute(_LOCK_OWED, [subjects])
    turns = {(tenant_id, key) for tenant_id, key in cursor.fetchall() if key is not None}
    cursor.execute(_LOCK, [subjects])
    notifications = {row[0]: _Notification(*row) for row in cursor.fetchall()}
    ordering.lock(turns)
    cursor.execute(_ATTEMPTS, [[attempt for attempt, _ in found.values()]])
    names = [column.name for column in cursor.description]
    attempts = {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}
    changes = _Changes()
    for receipt in receipts:
        attempt, notification = attempts.get(found[receipt.id][0]), found[receipt.id][1]
        if attempt is not None and notification in notifications:
            _fold(changes, receipt, attempt, notifications[notification])
    _write(cursor, changes)
    ordering.wake(turns)
    applied = [
        {"receipt_id": r.id, "attempt_id": found[r.id][0], "id": found[r.id][1]} for r in receipts
    ]
    cursor.execute(_APPLIED, [json.dumps(applied, default=str)])
    return changes


def _fold(
    changes: _Changes, receipt: _Heard, attempt: dict[str, Any], about: _Notification
) -> None:
    """What this receipt adds, after those before it."""
    if receipt.kind != Kind.REJECTED and attempt["outcome"] in _DOUBTFUL:
        changes.heard[about.id].append(_sent(receipt, attempt, about))
        attempt["outcome"] = "sent"
        if about.status in before(State.SENT):
            about.status = State.SENT
    address = receipt.recipient
    if address and receipt.reason in Suppression.Reason.values:
        changes.suppressed.append(_suppression(about, address, str(receipt.reason)))
    is_copy = address and normalised(address) != normalised(about.recipient)
    if attempt["outcome"] == "sent" and not is_copy:
        _move(changes, receipt, attempt, about)


def _move(
    changes: _Changes, receipt: _Heard, attempt: dict[str, Any], about: _Notification
) -> None:
    target = _STATES.get(Kind(receipt.kind))
    if target is not None and may_move(State(about.status), target):
        about.status = target
        at = receipt.at if target is State.DELIVERED else None
        earlier = changes.moved.get(about.id, {})
        changes.moved[about.id] = {
            "id": about.id, "status": target, "reason": receipt.reason,
            "at": at or earlier.get("at"),
        }  # fmt: skip
    elif receipt.kind in _SILENT:
        return
    changes.events.append(
        {
            "id": ids.new(),
            "tenant_id": about.tenant_id,
            "notification_id": about.id,
            "mode": about.mode,
            "type": f"notification.{receipt.kind}",
            "data": _said(receipt, attempt),
        }
    )


def _said(receipt: _Heard, attempt: dict[str, Any]) -> dict[str, Any]:
    said = {
        "attempt_id": str(attempt["id"]),
        "provider": attempt["provider_name"],
        "driver": attempt["driver"],
        "at": receipt.at.isoformat(),
        "reason": receipt.reason,
        "code": receipt.code,
        "description": receipt.description,
    }
    return {name: value for name, value in said.items() if value}


def _sent(receipt: _Heard, attempt: dict[str, Any], about: _Notification) -> dict[str, Any]:
    return {
        **EMPTY,
        "id": about.id,
        "fence": attempt["fence"],
        "attempt_id": attempt["id"],
        "event_ids": [ids.new(), ids.new()],
        "provider_id": attempt["provider_id"],
        "provider_name": attempt["provider_name"],
        "driver": attempt["driver"],
        "outcome": "sent",
        "provider_message_id": receipt.provider_message_id or None,
        "channel": about.channel,
    }


def _suppression(about: _Notification, address: str, reason: str) -> Suppression:
    return suppressed((about.tenant_id, about.mode), about.channel, address, reason, "receipt")


def _write(cursor: Any, changes: _Changes) -> None:
    # Of several attempts of one notification that it turns out to have, the first makes it sent.
    waves = max(map(len, changes.heard.values()), default=0)
    for wave in range(waves):
        heard([rows[wave] for rows in changes.heard.values() if len(rows) > wave])
    if changes.moved:
        cursor.execute(_MOVE, [json.dumps([*changes.moved.values()], default=str)])
    if changes.events:
        cursor.execute(_EVENTS, [json.dumps(changes.events, default=str)])
    write(changes.suppressed)
