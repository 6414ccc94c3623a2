"""Suppressions: found by an address of which only digests are kept, and what they came from."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from hiram.lib.problems import Problem
from notifications.api.options import address_of
from notifications.models import Notification, Suppression
from notifications.shelves import channels
from notifications.states import State
from notifications.suppression import digest
from portal.queries.patience import TooMuch, patience

CAME_BACK = {
    Suppression.Reason.HARD_BOUNCE: (State.BOUNCED, State.COMPLAINED),
    Suppression.Reason.COMPLAINT: (State.COMPLAINED,),
}
"""How a notification stands that caused it; one that came back may be complained of later."""


def search(rows: QuerySet[Any], tenants: Iterable[UUID], text: str) -> QuerySet[Any]:
    """The rows of this address, on whichever channel; each tenant has another digest of it."""
    spelt = [(channel, one) for channel in channels for one in _spellings(channel, text)]
    of_each = {tenant: [digest(tenant, *one) for one in spelt] for tenant in tenants}
    found = [address for addresses in of_each.values() for address in addresses]
    return rows.filter(tenant_id__in=list(of_each), address__in=found)


def cause(row: Suppression) -> Notification | None:
    """The notification that came back or was complained of, where it is known.

    It is not where the address was one in cc or bcc, or where somebody added it.
    """
    states = CAME_BACK.get(Suppression.Reason(row.reason))
    if states is None:
        return None
    found = Notification.objects.filter(
        tenant_id=row.tenant_id,
        status__in=states,
        created_at__lte=row.created_at,
        mode=row.mode,
        channel=row.channel,
        address=bytes(row.address),
    )
    try:
        with patience():
            return found.order_by("-created_at", "-id").first()
    except TooMuch:
        return None


def _spellings(channel: str, text: str) -> set[str]:
    """As it was typed, which may be a vendor's own, and as the channel's requests take it."""
    found = {text}
    with suppress(Problem):
        found.add(address_of(channel, text))
    return found
