"""Undisturbed: until when a notification's user is to be left alone, asked again before each call.

Accept asks it of the moment at which a notification is to go. What comes later than that, because
it is tried again, had to wait for a provider or a worker, was released or replayed, is asked anew.
The rule is one: `quiet.deferred_until`.
"""

from __future__ import annotations

import json
from datetime import datetime

from notifications.quiet import deferred_until

REASON = "quiet_hours"
"""Why it waits: for quiet hours to end, or for a send window to open."""

_ASKED = """CASE WHEN {row}.user_id IS NOT NULL THEN (
  SELECT jsonb_build_object(
           'at', statement_timestamp(), 'priority', {row}.priority, 'category', {row}.category,
           'timezone', s.timezone, 'fallback', t.timezone,
           'quiet_hours', w.quiet_hours, 'send_windows', w.send_windows)::text
    FROM notifications_preference w
    JOIN notifications_subscriber s
      ON s.tenant_id = w.tenant_id AND s.mode = w.mode AND s.user_id = w.user_id
    JOIN tenants_tenant t ON t.id = w.tenant_id
   WHERE w.tenant_id = {row}.tenant_id AND w.mode = {row}.mode AND w.user_id = {row}.user_id
     AND (jsonb_typeof(w.quiet_hours) = 'object' OR w.send_windows <> '[]')) END"""


def asked(*, row: str) -> str:
    """What `until` needs to know, as an SQL expression; null where the user has no such wish.

    `row` is a notification.
    """
    return _ASKED.format(row=row)


def until(found: str | None) -> datetime | None:
    """Until when it must wait, from what `asked` found; None if it may go now."""
    if found is None:
        return None
    known = json.loads(found)
    return deferred_until(datetime.fromisoformat(known.pop("at")), **known)
