"""Replay: owe a dead-lettered notification again, as what it was, with tries and time anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Min, QuerySet
from django.db.models.fields.json import KT

from hiram.lib import ids
from hiram.lib.doorbell import doorbell
from notifications.accept import Owner, lane_id
from notifications.models import CLASSES, Event, Notification, OutboxMessage

REPLAYED_MOST = 1_000
"""Notifications that one call handles."""

_WAIT = """
SELECT extract(epoch FROM max(due_at) - statement_timestamp())
  FROM notifications_outboxmessage WHERE id = ANY(%s)
"""

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
   WHERE n.status = 'failed' AND n.body_erased_at IS NULL
), notification AS (
  UPDATE notifications_notification n
     SET status = 'accepted', reason = NULL, settled_at = NULL, generation = n.generation + 1,
         expiry_moves = true,
         expires_at = statement_timestamp() + make_interval(secs => %(ttl)s::float + x.place * %(pause)s::float)
    FROM x WHERE n.id = x.id
  RETURNING n.id, n.tenant_id, n.mode, n.expires_at
), letter AS (
  UPDATE notifications_deadletter d SET closed_at = now() FROM notification n
   WHERE d.tenant_id = n.tenant_id AND d.notification_id = n.id AND d.closed_at IS NULL
), event AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT x.event_id, n.tenant_id, n.id, n.mode, 'notification.replayed', %(data)s::jsonb
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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay has come: the statuses are today's, `owed` those of them still to end."""

    created_at: datetime
    replayed: int
    owed: int
    statuses: dict[str, int]


def replay(
    found: Sequence[UUID],
    *,
    pause_seconds: float = 0,
    begun: int = 0,
    replay_id: UUID | None = None,
) -> list[UUID]:
    """Owe these notifications again, those of them that are dead-lettered and have a body; which
    these were.

    Each is due `pause_seconds` after the one before it; `begun` have been replayed before these.
    `replay_id` names what they are a part of, for `progress`. All in one transaction. A provider that knows keys of idempotency is given a new one, since
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
                "data": json.dumps({"replay_id": ids.show("rpl", replay_id)} if replay_id else {}),
            },
        )
        replayed = [row[0] for row in cursor.fetchall()]
    if replayed:
        doorbell.ring()
    return replayed


def progress(rows: QuerySet[Notification], replay_id: UUID) -> Progress | None:
    """What has become of a replay's notifications among these rows; None if it has none."""
    found = _part_of(rows, replay_id)
    began = found.aggregate(at=Min("created_at"))["at"]
    if began is None:
        return None
    mine = rows.filter(pk__in=found.values("notification_id"))
    statuses = mine.order_by().values_list("status").annotate(count=Count("pk"))
    owed = OutboxMessage.objects.filter(pk__in=mine.values("pk")).count()
    return Progress(began, mine.count(), owed, dict(statuses))


def ahead_seconds(rows: QuerySet[Notification], replay_id: UUID) -> float:
    """Until the last of a replay's notifications is due; 0 when all are."""
    found = list(_part_of(rows, replay_id).values_list("notification_id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_WAIT, [found])
        (seconds,) = cursor.fetchone()
    return max(float(seconds or 0), 0.0)


def _part_of(rows: QuerySet[Notification], replay_id: UUID) -> QuerySet[Event]:
    return Event.objects.annotate(part_of=KT("data__replay_id")).filter(
        type="notification.replayed",
        part_of=ids.show("rpl", replay_id),
        notification_id__in=rows.values("pk"),
    )
