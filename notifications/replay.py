"""Replay: owe a dead-lettered notification again, as what it was, with tries and time anew."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from hiram.lib import ids
from hiram.lib.doorbell import doorbell
from notifications.accept import Owner, lane_id
from notifications.models import CLASSES

REPLAYED_MOST = 1_000
"""Notifications that one call handles."""

# Settle takes the notification before its dead letter, too. The next statement sees what was
# committed while this one waited, such as a `sent` that came late.
_LOCK = """
SELECT n.id, n.tenant_id, n.mode, n.channel, n.priority FROM notifications_notification n
 WHERE n.id = ANY(%s) ORDER BY n.id FOR UPDATE
"""

_REPLAY = """
WITH x AS MATERIALIZED (
  SELECT x.*, %(begun)s::int + row_number() OVER (ORDER BY x.id) - 1 AS place
    FROM unnest(%(found)s::uuid[], %(events)s::uuid[], %(lanes)s::uuid[], %(ranks)s::smallint[])
         AS x(id, event_id, lane_id, rank)
    JOIN notifications_notification n USING (id)
   WHERE n.status = 'failed'
), notification AS (
  UPDATE notifications_notification n
     SET status = 'accepted', reason = NULL, settled_at = NULL, generation = n.generation + 1,
         expires_at = statement_timestamp() + make_interval(secs => %(ttl)s::float + x.place * %(pause)s::float)
    FROM x WHERE n.id = x.id
  RETURNING n.id, n.tenant_id, n.mode, n.expires_at
), letter AS (
  UPDATE notifications_deadletter d SET closed_at = now() FROM notification n
   WHERE d.tenant_id = n.tenant_id AND d.notification_id = n.id AND d.closed_at IS NULL
), event AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT x.event_id, n.tenant_id, n.id, n.mode, 'notification.replayed', '{}'
    FROM notification n JOIN x USING (id)
)
INSERT INTO notifications_outboxmessage
       (id, tenant_id, topic, lane_id, rank, due_at, expires_at, released_fence)
SELECT n.id, n.tenant_id, 'notification', x.lane_id, x.rank,
       statement_timestamp() + make_interval(secs => x.place * %(pause)s::float), n.expires_at,
       coalesce((SELECT max(a.fence) FROM notifications_attempt a WHERE a.subject_id = n.id), 0)
  FROM notification n JOIN x USING (id)
RETURNING id
"""


def replay(found: Sequence[UUID], *, pause_seconds: float = 0, begun: int = 0) -> list[UUID]:
    """Owe these notifications again, those of them that are dead-lettered; which these were.

    Each is due `pause_seconds` after the one before it; `begun` have been replayed before these.
    All in one transaction. A provider that knows keys of idempotency is given a new one, since
    the old one would have it repeat its refusal.

    Raises:
        django.db.OperationalError: during the commit, the outcome is unknown.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [list(found)])
        rows = cursor.fetchall()
        ranks = [CLASSES[priority] for *_, priority in rows]
        lanes = [
            lane_id(Owner(tenant_id, mode), channel, rank)
            for (_, tenant_id, mode, channel, _), rank in zip(rows, ranks, strict=True)
        ]
        cursor.execute(
            _REPLAY,
            {
                "found": [row[0] for row in rows],
                "events": [ids.new() for _ in rows],
                "lanes": lanes,
                "ranks": ranks,
                "ttl": settings.TTL_SECONDS,
                "pause": pause_seconds,
                "begun": begun,
            },
        )
        replayed = [row[0] for row in cursor.fetchall()]
    if replayed:
        doorbell.ring()
    return replayed
