"""Receivers: whether the endpoints of webhooks take what is posted to them, and when they are
given up."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from delivery.driver import Failed, Sent
from delivery.verdict import Result
from delivery.webhooks import Posting
from hiram.lib import ids

_WORKS = """
UPDATE notifications_webhookendpoint SET first_failed_at = NULL, warned = 0
 WHERE id = ANY(%s) AND first_failed_at IS NOT NULL
"""

_FAILS = """
UPDATE notifications_webhookendpoint SET first_failed_at = clock_timestamp()
 WHERE id = ANY(%s) AND first_failed_at IS NULL
"""

_DISABLE = """
WITH w AS (
  UPDATE notifications_webhookendpoint SET disabled_at = now(), disabled_reason = %(reason)s
   WHERE id = %(endpoint)s AND disabled_at IS NULL
  RETURNING id, tenant_id, mode, url
), lane AS (
  UPDATE notifications_lane l SET paused_at = now(), reason = 'webhook_disabled', resume_at = NULL
    FROM w WHERE l.id = w.id AND l.paused_at IS NULL
)
INSERT INTO notifications_event (id, tenant_id, mode, type, data)
SELECT %(event)s, tenant_id, mode, 'webhook.disabled',
       jsonb_build_object('webhook_id', %(shown)s::text, 'url', url, 'reason', %(reason)s::text)
  FROM w
"""

_GIVEN_UP = """
SELECT id FROM notifications_webhookendpoint
 WHERE disabled_at IS NULL AND first_failed_at < now() - make_interval(secs => %s)
"""

GIVEN_UP_SECONDS = 5 * 86_400


def feel(results: Iterable[Result]) -> None:
    """Take in how posts to their endpoints went."""
    posts = [(r.work.endpoint_id, r.answer) for r in results if isinstance(r.work, Posting)]
    if not posts:
        return
    works = {key for key, answer in posts if isinstance(answer, Sent)}
    gone = {key for key, answer in posts if _is_gone(answer)}
    fails = {key for key, _ in posts} - works - gone
    with connection.cursor() as cursor:
        for statement, found in ((_WORKS, works), (_FAILS, fails)):
            if found:
                cursor.execute(statement, [list(found)])
    for key in gone:
        disable(key, "gone")


def _is_gone(answer: object) -> bool:
    """410 (RFC 9110, 15.5.11): the receiver wants no more."""
    return isinstance(answer, Failed) and answer.code == "410"


def disable(endpoint_id: UUID, reason: str) -> None:
    """Post no more to it; what is owed waits until it is enabled, or expires."""
    with connection.cursor() as cursor:
        cursor.execute(
            _DISABLE,
            {
                "endpoint": endpoint_id,
                "reason": reason,
                "event": ids.new(),
                "shown": ids.show("whk", endpoint_id),
            },
        )


def give_up() -> int:
    """Disable endpoints that had nothing but failures for five days; how many."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVEN_UP, [GIVEN_UP_SECONDS])
        found = [endpoint_id for (endpoint_id,) in cursor.fetchall()]
    for endpoint_id in found:
        disable(endpoint_id, "failing")
    return len(found)
