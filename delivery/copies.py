"""Copies: those of a message's cc and bcc that its tenant must not write to."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from delivery.driver import Message
from notifications.suppression import digest

_SUPPRESSED = """
SELECT s.tenant_id, s.mode, s.channel, s.address FROM notifications_suppression s
  JOIN unnest(%s::uuid[], %s::text[], %s::text[], %s::bytea[])
       AS x(tenant_id, mode, channel, address) USING (tenant_id, mode, channel, address)
 WHERE s.category IS NULL AND (s.expires_at IS NULL OR s.expires_at > statement_timestamp())
"""


def suppressed(messages: Sequence[tuple[UUID, str, Message]]) -> list[frozenset[str]]:
    """Whom to leave out of each message, given with its tenant and mode.

    One read for all of them; none where there are no copies.
    """
    asked = [
        {
            address: (
                tenant_id,
                mode,
                message.channel,
                digest(tenant_id, message.channel, address),
            )
            for address in (*message.cc, *message.bcc)
        }
        for tenant_id, mode, message in messages
    ]
    keys = {key for one in asked for key in one.values()}
    if not keys:
        return [frozenset() for _ in asked]
    with connection.cursor() as cursor:
        cursor.execute(_SUPPRESSED, [list(column) for column in zip(*keys, strict=True)])
        found = {(*key, bytes(address)) for *key, address in cursor.fetchall()}
    return [frozenset(address for address, key in one.items() if key in found) for one in asked]
