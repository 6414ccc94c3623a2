"""Apply: what receipts mean for notifications. States move along the table, never back.

A receipt is matched with the attempt it is about: by our own id where the vendor echoes it, by the
vendor's name of the message, or by our key. Only attempts through the receipt's own provider are
looked at, so nobody reports on what another tenant has sent. What matches nothing yet waits.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from delivery.meaning import About, Changes, Heard, fold
from delivery.settle import heard
from hiram.telemetry import metrics
from notifications import ordering
from notifications.states import State
from notifications.suppression import write

BATCH = 100

SEEN = 4 * BATCH
"""Receipts that one look goes through for such as nobody else is applying."""

LONGEST_SECONDS = 3_600
"""What matches nothing is looked at again after its age, after so long at most."""

BUSY_SECONDS = 1
"""What somebody else is settling is looked at again after so long."""

# One index probe a way, the surest first; of several attempts under one key that which was sent.
# Advisory locks share the receipts out among those who apply: row locks would give this transaction
# its number, which is its place in the feed, before it has seen who else is at work.
_DUE = """
WITH due AS MATERIALIZED (
  SELECT * FROM (
    SELECT id, provider_id, provider_message_id, attempt_id, notification_id
      FROM delivery_receipt WHERE applied_at IS NULL AND due_at <= now()
     ORDER BY due_at LIMIT %(seen)s) r
   WHERE pg_try_advisory_xact_lock(hashtextextended(r.id::text, 3358)) LIMIT %(batch)s
)
SELECT r.id, m.id, m.subject_id,
       EXISTS (SELECT FROM notifications_outboxmessage o WHERE o.id = m.subject_id OFFSET 0)
  FROM due r LEFT JOIN LATERAL (
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
     ORDER BY w.way, w.outcome = 'sent' DESC, w.number DESC LIMIT 1) m ON true
"""

# What somebody else has locked is not waited for: their changes would come before ours, and the
# feed could have them after ours.
_LOCK_OWED = """
SELECT o.id, o.tenant_id, o.ordering_key
  FROM unnest(%s::uuid[]) x(id) JOIN notifications_outboxmessage o ON o.id = ANY(ARRAY[x.id])
 ORDER BY x.id FOR UPDATE OF o SKIP LOCKED
"""
_LOCK = """
SELECT n.id, n.tenant_id, n.mode, n.channel, n.recipient, n.status
  FROM unnest(%s::uuid[]) x(id) JOIN notifications_notification n ON n.id = ANY(ARRAY[x.id])
 ORDER BY x.id FOR UPDATE OF n SKIP LOCKED
"""
_TAKE = """
SELECT r.id, r.kind, r.hard, r.provider_message_id, coalesce(r.recipient, ''), r.code, r.description,
       least(r.happened_at, r.received_at)
  FROM unnest(%s::uuid[]) x(id) JOIN delivery_receipt r ON r.id = ANY(ARRAY[x.id])
 WHERE r.applied_at IS NULL
 ORDER BY x.id FOR UPDATE OF r SKIP LOCKED
"""

# Each look is as far from the last as the receipt is old, so many seconds at most.
_WAIT = """
UPDATE delivery_receipt
   SET due_at = clock_timestamp() + least(make_interval(secs => %s),
                                          greatest(interval '1 second', now() - received_at))
 WHERE id = ANY(%s)
"""

_ATTEMPTS = """
SELECT id, outcome, fence, provider_id, provider_name, driver FROM notifications_attempt
 WHERE id = ANY(%s) AND NOT shadow
"""

_MOVE = """
UPDATE notifications_notification n
   SET status = x.status, reason = x.reason, delivered_at = coalesce(x.at, n.delivered_at)
  FROM jsonb_to_recordset(%s::jsonb) AS x(id uuid, status text, reason text, at timestamptz)
 WHERE n.id = ANY(ARRAY[x.id])
"""

_APPLIED = """
UPDATE delivery_receipt r
   SET applied_at = clock_timestamp(), attempt_id = x.attempt_id, notification_id = x.id
  FROM jsonb_to_recordset(%s::jsonb) AS x(receipt_id uuid, attempt_id uuid, id uuid)
 WHERE r.id = ANY(ARRAY[x.receipt_id])
"""

_EVENTS = """
INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
SELECT * FROM jsonb_to_recordset(%s::jsonb) AS x(
  id uuid, tenant_id uuid, notification_id uuid, mode text, type text, data jsonb)
"""


class _Match(NamedTuple):
    """The attempt that a receipt is about, and whether its subject was owed when it was read."""

    attempt: UUID
    subject: UUID
    owed: bool


def apply() -> int:
    """Apply receipts that are due, up to `BATCH`; how many were looked at.

    Raises:
        django.db.OperationalError: nothing was applied, or during the commit that is unknown; what
            was not applied is still due.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DUE, {"seen": SEEN, "batch": BATCH})
        due = cursor.fetchall()
        if not due:
            return 0
        matches = {row[0]: _Match(*row[1:]) for row in due if row[1] is not None}
        turns, notifications = _locked(cursor, matches.values())
        # By their ids, and so in the order in which they came.
        cursor.execute(_TAKE, [[receipt for receipt, *_ in due]])
        taken = [Heard(*row) for row in cursor.fetchall()]
        matched = [receipt for receipt in taken if receipt.id in matches]
        ready = [r for r in matched if matches[r.id].subject in notifications]
        _wait(cursor, LONGEST_SECONDS, {*taken} - {*matched})
        _wait(cursor, BUSY_SECONDS, {*matched} - {*ready})
        changes = _apply(cursor, ready, matches, notifications)
        ordering.wake(turns)
    for rows in changes.heard.values():
        metrics.settled(str(State.SENT), rows[0]["channel"])
    return len(due) if taken else 0


def _locked(
    cursor: Any, matches: Collection[_Match]
) -> tuple[set[tuple[UUID, str]], dict[UUID, About]]:
    """Lock what these receipts are about, in settle's order, but for what somebody else has.

    What was owed when it was read and cannot be locked now is being settled.
    """
    owed = {match.subject for match in matches if match.owed}
    cursor.execute(_LOCK_OWED, [sorted(owed)])
    rows = cursor.fetchall()
    turns = {(tenant_id, key) for _, tenant_id, key in rows if key is not None}
    settling = owed - {row[0] for row in rows}
    cursor.execute(_LOCK, [sorted({match.subject for match in matches} - settling)])
    notifications = {row[0]: About(*row) for row in cursor.fetchall()}
    ordering.lock(turns)
    return turns, notifications


def _wait(cursor: Any, at_most: int, receipts: Collection[Heard]) -> None:
    if receipts:
        cursor.execute(_WAIT, [at_most, [receipt.id for receipt in receipts]])


def _apply(
    cursor: Any,
    receipts: Sequence[Heard],
    matches: Mapping[UUID, _Match],
    notifications: Mapping[UUID, About],
) -> Changes:
    cursor.execute(_ATTEMPTS, [[matches[receipt.id].attempt for receipt in receipts]])
    names = [column.name for column in cursor.description]
    attempts = {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}
    changes = Changes()
    for receipt in receipts:
        match = matches[receipt.id]
        attempt = attempts.get(match.attempt)
        if attempt is not None:
            fold(changes, receipt, attempt, notifications[match.subject])
    _write(cursor, changes)
    applied = [
        {"receipt_id": r.id, "attempt_id": matches[r.id].attempt, "id": matches[r.id].subject}
        for r in receipts
    ]
    cursor.execute(_APPLIED, [json.dumps(applied, default=str)])
    return changes


def _write(cursor: Any, changes: Changes) -> None:
    # Of several attempts of one notification that it turns out to have, the first makes it sent.
    waves = max(map(len, changes.heard.values()), default=0)
    for wave in range(waves):
        heard([rows[wave] for rows in changes.heard.values() if len(rows) > wave])
    if changes.moved:
        cursor.execute(_MOVE, [json.dumps([*changes.moved.values()], default=str)])
    if changes.events:
        cursor.execute(_EVENTS, [json.dumps(changes.events, default=str)])
    write(changes.suppressed)
