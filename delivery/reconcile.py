"""Reconcile: what must hold of the debt, checked every minute by partial indexes, and mended.

It looks at what is owed and at the last minutes, never at history: that is `audit`'s.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import connection

from delivery import health, receivers, worker
from delivery.claim import COLUMNS, Claim
from delivery.receive import forget
from delivery.settle import end, expired
from notifications import ordering
from notifications.accept import Owner, lane_id
from notifications.models import CLASSES

logger = logging.getLogger(__name__)

ENDED_AT_ONCE = 500
SETTLING_SECONDS = 30

_ABANDON = """
UPDATE notifications_attempt a SET outcome = 'abandoned', finished_at = clock_timestamp()
 WHERE a.outcome = 'started' AND a.started_at < now() - make_interval(secs => %s)
   AND NOT EXISTS (SELECT FROM notifications_outboxmessage o
                    WHERE o.id = a.subject_id AND o.fence = a.fence AND o.due_at > now()
                   OFFSET 0)
"""

_UNPROMISED = """
SELECT n.id, n.tenant_id, n.mode, n.channel, n.priority, n.expires_at
  FROM notifications_notification n
 WHERE n.status IN ('accepted', 'scheduled')
   AND n.created_at < now() - make_interval(secs => %s)
   AND NOT EXISTS (SELECT FROM notifications_outboxmessage o WHERE o.id = n.id OFFSET 0)
 LIMIT 1000
"""

_PROMISE = """
INSERT INTO notifications_outboxmessage (id, tenant_id, topic, lane_id, rank, due_at, expires_at)
SELECT id, tenant_id, 'notification', %s, %s, greatest(scheduled_at, now()), expires_at
  FROM notifications_notification
 WHERE id = %s AND status IN ('accepted', 'scheduled')
ON CONFLICT DO NOTHING
"""

_OVERDUE = f"""
WITH found AS MATERIALIZED (
  SELECT o.id FROM notifications_lane l CROSS JOIN LATERAL (
    SELECT o.id FROM notifications_outboxmessage o
     WHERE o.rank = l.rank AND o.lane_id = l.id AND o.due_at <= now() AND o.expires_at <= now()
     LIMIT %(most)s FOR UPDATE SKIP LOCKED) o
   WHERE l.paused_at IS NOT NULL AND NOT EXISTS (SELECT FROM notifications_restorefence)
   LIMIT %(most)s
)
UPDATE notifications_outboxmessage o
   SET fence = nextval('notifications_fence_seq'), leased_by = %(worker)s,
       due_at = clock_timestamp() + make_interval(secs => %(lease)s)
  FROM found f WHERE o.id = ANY(ARRAY[f.id])
RETURNING {COLUMNS}
"""


def abandon() -> int:
    """Mark attempts whose lease ended without an answer: something may have been sent."""
    with connection.cursor() as cursor:
        cursor.execute(_ABANDON, [settings.LEASE_SECONDS])
        return int(cursor.rowcount)


def reconcile() -> dict[str, int]:
    """Repair owed notifications without an outbox row, expire what waits in paused lanes, and
    forget old receipts; how many of each. A repair is an alarm: it must never be needed.
    """
    repaired = _repair()
    if repaired:
        logger.critical("owed notifications had no outbox row; repaired: %d", repaired)
    with connection.cursor() as cursor:
        cursor.execute(
            _OVERDUE,
            {
                "worker": worker.name(),
                "lease": settings.LEASE_SECONDS,
                "most": ENDED_AT_ONCE,
            },
        )
        overdue = [Claim(0.0, *row) for row in cursor.fetchall()]
    end(expired(overdue))
    health.drift()
    receivers.give_up()
    if unwoken := ordering.mend():
        logger.critical("ordering keys had no due notification; mended: %d", unwoken)
    return {"repaired": repaired, "expired": len(overdue), "forgotten": forget()}


def _repair() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_UNPROMISED, [SETTLING_SECONDS])
        found = cursor.fetchall()
        for notification_id, tenant_id, mode, channel, priority, _ in found:
            rank = CLASSES[priority]
            lane = lane_id(Owner(tenant_id, mode), channel, rank)
            cursor.execute(_PROMISE, [lane, rank, notification_id])
    return len(found)
