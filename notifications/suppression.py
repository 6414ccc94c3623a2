"""Suppression: the addresses that a tenant must not write to, and how one is recognised.

They are compared by a keyed digest (HMAC-SHA256 under `HIRAM_SECRET_KEY`), which is what is left of
an address once its owner is erased: the list can then be asked whether it has the address, and not
be read. Another secret key forgets it.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import idna
from django.conf import settings
from django.db import connection

from hiram.lib import ids
from hiram.lib.signing import keyed
from notifications.models import Suppression

_COLUMNS = (
    "id", "tenant_id", "mode", "channel", "address", "recipient", "category", "reason", "source",
    "expires_at",
)  # fmt: skip

# What has expired becomes another row, what lasts longer only holds for longer.
_WRITE = """
INSERT INTO notifications_suppression AS s
       (id, tenant_id, mode, channel, address, recipient, category, reason, source, expires_at)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::bytea[], %s::text[],
                     %s::text[], %s::text[], %s::text[], %s::timestamptz[])
ON CONFLICT (tenant_id, mode, channel, address, category) DO UPDATE
   SET id = CASE WHEN s.expires_at <= statement_timestamp() THEN excluded.id ELSE s.id END,
       recipient = CASE WHEN s.expires_at <= statement_timestamp() THEN excluded.recipient
                        ELSE s.recipient END,
       created_at = CASE WHEN s.expires_at <= statement_timestamp() THEN statement_timestamp()
                         ELSE s.created_at END,
       reason = excluded.reason, source = excluded.source, expires_at = excluded.expires_at
 WHERE s.expires_at IS NOT NULL
   AND (excluded.expires_at IS NULL OR excluded.expires_at > s.expires_at)
RETURNING s.id
"""


def normalised(address: str) -> str:
    """The one spelling of an address that reaches the same mailbox.

    The domain is in its ASCII form and, as the local part, in lower case: few servers tell
    letters' cases apart there, and none of them should get what somebody refused. Tags (`+x`) and
    dots are kept, which mean other mailboxes in most places. A number is as it is.
    """
    text = unicodedata.normalize("NFC", address.strip())
    local, at, domain = text.rpartition("@")
    domain = domain.rstrip(".")
    if not domain.isascii():
        with contextlib.suppress(idna.IDNAError):  # no domain: compared letter by letter
            domain = idna.encode(domain, uts46=True).decode("ascii")
    return f"{local}{at}{domain}".lower()


def digest(tenant_id: UUID, channel: str, address: str) -> bytes:
    """What is kept of an address: another for each tenant, so that lists cannot be compared."""
    payload = tenant_id.bytes + f"{channel}\0{normalised(address)}".encode("utf-8", "replace")
    return keyed(payload, secret=settings.SECRET_KEY, purpose="suppression")


def suppressed(
    owner: tuple[UUID, str],
    channel: str,
    address: str,
    reason: str,
    source: str,
    **more: Any,
) -> Suppression:
    """A row that is not stored yet; `owner` is a tenant in a mode, `more` category and expiry."""
    tenant_id, mode = owner
    return Suppression(
        id=ids.new(), tenant_id=tenant_id, mode=mode, channel=channel, reason=reason,
        address=digest(tenant_id, channel, address), recipient=address, source=source, **more,
    )  # fmt: skip


def suppress(
    tenant_id: UUID,
    mode: str,
    channel: str,
    address: str,
    reason: str,
    source: str = "",
    **more: Any,
) -> tuple[Suppression, bool]:
    """The address's row, and whether it is new; see `write`."""
    given = suppressed((tenant_id, mode), channel, address, reason, source, **more)
    is_new = given.pk in write([given])
    row = Suppression.objects.get(
        tenant_id=tenant_id, mode=mode, channel=channel, address=given.address,
        category=given.category,
    )  # fmt: skip
    return row, is_new


def write(rows: Iterable[Suppression]) -> set[UUID]:
    """Store these; the ids of those that are new.

    What has expired is as if it was not there. Of two that hold the one that lasts longer stays,
    and of those that last as long the first.
    """
    longest: dict[tuple[Any, ...], Suppression] = {}
    for row in rows:
        key = (row.tenant_id, row.mode, row.channel, bytes(row.address), row.category or "")
        if key not in longest or _lasts_longer(row, longest[key]):
            longest[key] = row
    if not longest:
        return set()
    # In one order, so that two who suppress the same do not wait crosswise.
    given = [longest[key] for key in sorted(longest)]
    columns = [[getattr(row, name) for row in given] for name in _COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, columns)
        stored = {row_id for (row_id,) in cursor.fetchall()}
    return stored & {row.pk for row in given}


def _lasts_longer(row: Suppression, other: Suppression) -> bool:
    if other.expires_at is None:
        return False
    return row.expires_at is None or row.expires_at > other.expires_at
