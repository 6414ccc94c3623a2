"""Suppression: the addresses that a tenant must not write to, and how one is recognised.

Only a keyed digest of an address is kept (HMAC-SHA256 under `HIRAM_SECRET_KEY`): the list can be
asked whether it has an address, and cannot be read. Another secret key forgets it.
"""

from __future__ import annotations

import contextlib
import unicodedata
from uuid import UUID

import idna
from django.conf import settings

from hiram.lib import ids
from hiram.lib.signing import keyed
from notifications.models import Suppression


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


def suppress(
    tenant_id: UUID, mode: str, channel: str, address: str, reason: str
) -> tuple[Suppression, bool]:
    """The address's row, and whether it is new; the first reason stays."""
    kept = digest(tenant_id, channel, address)
    given = Suppression(
        id=ids.new(), tenant_id=tenant_id, mode=mode, channel=channel, address=kept, reason=reason
    )
    Suppression.objects.bulk_create([given], ignore_conflicts=True)
    row = Suppression.objects.get(
        tenant_id=tenant_id, mode=mode, channel=channel, address=kept, category=None
    )
    return row, row.pk == given.pk
