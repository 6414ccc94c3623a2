"""Ordering: of what is owed under one key only the first is due, the next when that has ended.

The others wait with their `expires_at` as the moment they are due, so that claims meet neither
them nor their number. Whoever adds to a key or ends its first takes the key's lock before, and so
sees what the other one did.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection

_LOCK = """
SELECT pg_advisory_xact_lock(h) FROM (
  SELECT DISTINCT hashtextextended(key, 3357) AS h FROM unnest(%s::text[]) key ORDER BY 1 OFFSET 0) s
"""

_WAKE = """
UPDATE notifications_outboxmessage o
   SET due_at = greatest(clock_timestamp(), n.scheduled_at)
  FROM unnest(%s::uuid[], %s::text[]) AS x(tenant_id, ordering_key)
 CROSS JOIN LATERAL (
   SELECT b.id FROM notifications_outboxmessage b
    WHERE b.tenant_id = x.tenant_id AND b.ordering_key = x.ordering_key ORDER BY b.seq LIMIT 1) b
  LEFT JOIN notifications_notification n ON n.id = ANY(ARRAY[b.id])
 WHERE o.id = ANY(ARRAY[b.id]) AND o.fence = 0 AND o.leased_by IS NULL AND o.due_at = o.expires_at
"""

_FORGOTTEN = """
SELECT tenant_id, ordering_key FROM (
  SELECT DISTINCT ON (tenant_id, ordering_key)
         tenant_id, ordering_key, fence, due_at = expires_at AS waits
    FROM notifications_outboxmessage
   WHERE ordering_key IS NOT NULL
   ORDER BY tenant_id, ordering_key, seq) f
 WHERE waits AND fence = 0
"""

Keys = Iterable[tuple[UUID, str]]
"""Tenants with keys as outbox rows have them: see `in_mode`."""


def in_mode(mode: str, key: str | None) -> str | None:
    """The key as it is stored: those of test and live do not wait for each other."""
    return f"{mode}:{key}" if key is not None else None


def lock(keys: Keys) -> None:
    """Take these keys until the transaction ends; in one order, so that nobody waits crosswise."""
    if found := [f"{tenant_id}:{key}" for tenant_id, key in keys]:
        _execute(_LOCK, [found])


def wake(keys: Keys) -> None:
    """Make the first of each key due, if it was not."""
    if found := sorted(set(keys)):
        _execute(_WAKE, [[tenant_id for tenant_id, _ in found], [key for _, key in found]])


def mend() -> int:
    """Wake what should have been woken; for how many keys. It must never be needed."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGOTTEN)
        found = cursor.fetchall()
    wake(found)
    return len(found)


def _execute(statement: str, values: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
