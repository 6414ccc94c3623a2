"""Providers that are paused or in trouble just now: what every page of the portal says first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q

from delivery.models import ProviderHealth
from portal.access import Access
from portal.queries.wording import reason_in_words, trouble_in_words

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """One provider that is not used as it should be; `tenant` where it need be named,
    `detail` what the provider said."""

    provider_id: UUID
    name: str
    tenant: str
    state: str
    colour: str
    at: datetime | None
    text: str
    detail: str


def troubles(access: Access) -> list[Trouble]:
    """Of the user's tenants, the paused ones first; one more than is shown says that there are more.

    One query, along the indexes of those rows that are either.
    """
    found = ProviderHealth.objects.filter(
        Q(paused_at__isnull=False) | Q(degraded_at__isnull=False), provider__enabled=True
    )
    rows = access.within(found, "tenant_id").select_related("provider", "tenant")
    ordered = rows.order_by(F("paused_at").desc(nulls_last=True), "-degraded_at")
    return [_trouble(row, is_single=access.is_single) for row in ordered[: SHOWN + 1]]


def _trouble(row: ProviderHealth, *, is_single: bool) -> Trouble:
    tenant = "" if is_single else row.tenant.name
    named = row.provider_id, row.provider.name, tenant
    if row.paused_at:
        text = reason_in_words(row.reason)
        return Trouble(*named, "paused", "danger", row.paused_at, text, row.detail)
    text = trouble_in_words(row.trouble, row.share)
    return Trouble(*named, "degraded", "warning", row.degraded_at, text, "")
