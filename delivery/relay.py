"""Relay: look which lanes have due rows, and say how many looks the workers should take.

It carries no rows. Losing what it says, doubling or forging it costs an empty look at most.
"""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.db import connection

from delivery.claim import HEADS, LANES_SCANNED
from delivery.worker import release_dead

_DUE = f"""
WITH {HEADS}
SELECT coalesce(sum((
    SELECT count(*) FROM (
      SELECT FROM notifications_outboxmessage o
       WHERE o.rank = h.rank AND o.lane_id = h.lane_id AND o.due_at <= now() LIMIT %(enough)s) d
  )), 0)
  FROM (SELECT h.rank, h.lane_id FROM heads h JOIN notifications_lane l ON l.id = ANY(ARRAY[h.lane_id])
         WHERE h.due_at <= now() AND l.paused_at IS NULL LIMIT %(enough)s) h
"""

_RESUME = """
UPDATE notifications_lane l SET paused_at = NULL, reason = NULL, resume_at = NULL
 WHERE l.paused_at IS NOT NULL AND (l.resume_at IS NULL OR l.resume_at <= now())
   AND (l.reason = 'webhook_limited' OR
        l.reason IN ('no_provider', 'provider_paused', 'provider_failing', 'provider_limited')
   AND EXISTS (
     SELECT FROM tenants_provider p
       LEFT JOIN delivery_providerhealth h ON h.provider_id = p.id
      WHERE p.channel = l.topic AND p.enabled
        AND h.paused_at IS NULL
        AND (h.open_until IS NULL OR h.trouble = 'slow'
             OR h.open_until <= now() AND coalesce(h.probe_until <= now(), true))
        AND (p.tenant_id = l.tenant_id
             OR p.shared AND NOT EXISTS (
                  SELECT FROM tenants_provider own
                   WHERE own.tenant_id = l.tenant_id AND own.channel = l.topic))))
"""


def relay() -> int:
    """How many looks are worth taking now: one for each process's slots full of due rows.

    First the leases of workers that died here are given back, and lanes that waited for a
    provider are resumed when there is one again.
    """
    release_dead()
    enough = settings.SLOTS * settings.WORKER_PROCESSES
    with connection.cursor() as cursor:
        cursor.execute(_RESUME)
        cursor.execute(_DUE, {"pivot": uuid4(), "scanned": LANES_SCANNED, "enough": enough})
        (due,) = cursor.fetchone()
    return min(settings.WORKER_PROCESSES, -(-int(due) // settings.SLOTS))
