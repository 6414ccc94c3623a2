"""Cancel: stop what has not left, and say exactly what has.

`stop` is also how something ends that must not go out any more.

Decided under the outbox row's lock, which `begin` needs before it writes an attempt: a row is
stopped before its first call is on record, or it has left. There is no moment between the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, Exists, OuterRef, QuerySet, When

from hiram.lib import ids
from hiram.telemetry import metrics
from notifications import ordering
from notifications.models import Attempt, Notification
from notifications.states import OWED, State, before

CANCELED_MOST = 1_000
"""Notifications that one call handles."""

MAY_HAVE_LEFT = ("started", "unknown", "abandoned")
"""Outcomes of attempts after which nothing can be stopped any more."""

_LOCK = """
SELECT o.id, o.tenant_id, o.ordering_key
  FROM unnest(%s::uuid[]) x(id) JOIN notifications_outboxmessage o ON o.id = ANY(ARRAY[x.id])
 ORDER BY x.id FOR UPDATE OF o
"""

_STOP = """
WITH x AS MATERIALIZED (
  SELECT * FROM unnest(%(locked)s::uuid[], %(reasons)s::text[], %(event_ids)s::uuid[])
           AS x(id, reason, event_id)
   WHERE NOT EXISTS (SELECT FROM notifications_attempt a
                      WHERE a.subject_id = x.id
                        AND a.outcome = ANY(%(may_have_left)s))
), stopped AS (
  UPDATE notifications_notification n
     SET status = %(status)s, reason = x.reason, settled_at = clock_timestamp()
    FROM x WHERE n.id = ANY(ARRAY[x.id]) AND n.status = ANY(%(owed)s)
  RETURNING n.id, n.tenant_id, n.mode, n.channel
), owed AS (
  DELETE FROM notifications_outboxmessage o USING stopped s WHERE o.id = ANY(ARRAY[s.id])
), event AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT x.event_id, s.tenant_id, s.id, s.mode, 'notification.' || %(status)s::text,
         jsonb_strip_nulls(jsonb_build_object('reason', x.reason))
    FROM stopped s JOIN x USING (id)
)
SELECT id, channel FROM stopped
 UNION ALL
SELECT id, NULL FROM notifications_notification
 WHERE id = ANY(%(found)s) AND status = %(status)s
"""
"""What was stopped so before is stopped too; this statement's own are not in its last part."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """Each id is in one of the two, in the order of acceptance.

    What has left was sent, ended otherwise, or may have been taken by a provider. `has_more` says
    that more can be stopped than was handled.
    """

    stopped: list[UUID]
    already_left: list[UUID]
    has_more: bool


def cancel(rows: QuerySet[Notification]) -> Canceled:
    """Stop those of these rows that have not left; what can be stopped first, then the newest.

    Raises:
        django.db.OperationalError: during the commit, the outcome is unknown.
    """
    called = Attempt.objects.filter(subject_id=OuterRef("pk"), outcome__in=MAY_HAVE_LEFT)
    is_here = Case(When(~Exists(called), status__in=OWED, then=True), default=False)
    chosen = rows.annotate(is_here=is_here).order_by("-is_here", "-pk")
    found = list(chosen.values_list("pk", "is_here")[: CANCELED_MOST + 1])
    has_more = len(found) > CANCELED_MOST and found[-1][1]
    handled = sorted(pk for pk, _ in found[:CANCELED_MOST])
    channels = stop(dict.fromkeys(handled), State.CANCELED)
    return Canceled(
        [pk for pk in handled if pk in channels],
        [pk for pk in handled if pk not in channels],
        has_more,
    )


def stop(found: Mapping[UUID, str | None], state: State) -> dict[UUID, str | None]:
    """End those of these rows in `state`, each with its reason, that have not left.

    The stopped ones, with the channel of those that this call stopped.

    Raises:
        django.db.OperationalError: during the commit, the outcome is unknown.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # The next statement sees what was committed while this one waited.
        cursor.execute(_LOCK, [list(found)])
        rows = cursor.fetchall()
        locked = [row[0] for row in rows]
        turns = {(tenant_id, key) for _, tenant_id, key in rows if key is not None}
        ordering.lock(turns)
        values: dict[str, Any] = {
            "found": list(found),
            "locked": locked,
            "reasons": [found[row_id] for row_id in locked],
            "event_ids": [ids.new() for _ in locked],
            "may_have_left": list(MAY_HAVE_LEFT),
            "owed": sorted(OWED.intersection(before(state))),
            "status": state.value,
        }
        cursor.execute(_STOP, values)
        stopped: dict[UUID, str | None] = dict(cursor.fetchall())
        ordering.wake(turns)
    for channel, count in Counter(filter(None, stopped.values())).items():
        metrics.settled(state.value, channel, count)
    return stopped
