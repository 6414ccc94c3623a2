"""Hold: decide about notifications that a provider may have taken already.

Released, one is sent again though it may then arrive twice. Dropped, it ends as a dead letter.
Both are decided under the outbox row's lock, as everything that ends or claims it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection, transaction

from hiram.lib import ids
from hiram.lib.doorbell import doorbell
from hiram.telemetry import metrics
from notifications import ordering

DECIDED_MOST = 1_000
"""Notifications that one call handles."""

_LOCK = """
SELECT o.id, o.tenant_id, o.ordering_key
  FROM unnest(%s::uuid[]) x(id) JOIN notifications_outboxmessage o ON o.id = ANY(ARRAY[x.id])
  JOIN notifications_notification n ON n.id = ANY(ARRAY[x.id])
 WHERE n.status = 'held' ORDER BY x.id FOR UPDATE OF o
"""

_RELEASE = """
WITH x AS (SELECT * FROM unnest(%s::uuid[], %s::uuid[]) AS x(id, event_id)
), notification AS (
  UPDATE notifications_notification n SET status = 'accepted', reason = NULL
    FROM x WHERE n.id = ANY(ARRAY[x.id]) AND n.status = 'held' AND n.expires_at > clock_timestamp()
  RETURNING n.id, n.tenant_id, n.mode, n.channel
), owed AS (
  UPDATE notifications_outboxmessage o
     SET due_at = clock_timestamp(), released_fence = o.fence
    FROM notification n WHERE o.id = ANY(ARRAY[n.id])
), event AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT x.event_id, n.tenant_id, n.id, n.mode, 'notification.released', '{}'
    FROM notification n JOIN x USING (id)
)
SELECT id, channel FROM notification
"""

_DROP = """
WITH x AS (SELECT * FROM unnest(%s::uuid[], %s::uuid[]) AS x(id, event_id)
), notification AS (
  UPDATE notifications_notification n
     SET status = 'failed', reason = 'dropped', settled_at = clock_timestamp()
    FROM x WHERE n.id = ANY(ARRAY[x.id]) AND n.status = 'held'
  RETURNING n.id, n.tenant_id, n.mode, n.channel
), owed AS (
  DELETE FROM notifications_outboxmessage o USING notification n WHERE o.id = ANY(ARRAY[n.id])
), letter AS (
  INSERT INTO notifications_deadletter (id, tenant_id, notification_id, reason, detail)
  SELECT gen_random_uuid(), n.tenant_id, n.id, 'dropped', '' FROM notification n
  ON CONFLICT DO NOTHING
), event AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT x.event_id, n.tenant_id, n.id, n.mode, 'notification.failed',
         jsonb_build_object('reason', 'dropped')
    FROM notification n JOIN x USING (id)
)
SELECT id, channel FROM notification
"""


def release(found: Sequence[UUID]) -> list[UUID]:
    """Send these again, those of them that are held and have time left; which these were.

    Raises:
        django.db.OperationalError: during the commit, the outcome is unknown.
    """
    released = [row_id for row_id, _ in _decide(_RELEASE, found)]
    if released:
        doorbell.ring()
    return released


def drop(found: Sequence[UUID]) -> list[UUID]:
    """End these, those of them that are held; which these were.

    Raises:
        django.db.OperationalError: during the commit, the outcome is unknown.
    """
    dropped = _decide(_DROP, found, ends=True)
    for _, channel in dropped:
        metrics.settled("failed", channel)
    return [row_id for row_id, _ in dropped]


def _decide(
    statement: str, found: Sequence[UUID], *, ends: bool = False
) -> list[tuple[UUID, str]]:
    with transaction.atomic(), connection.cursor() as cursor:
        # The next statement sees what was committed while this one waited.
        cursor.execute(_LOCK, [list(set(found))])
        rows = cursor.fetchall()
        turns = {(tenant_id, key) for _, tenant_id, key in rows if ends and key is not None}
        ordering.lock(turns)
        cursor.execute(statement, [[row[0] for row in rows], [ids.new() for _ in rows]])
        decided: list[tuple[UUID, str]] = cursor.fetchall()
        ordering.wake(turns)
    return decided
