"""Alerts: who runs a tenant learns by mail that a provider of theirs is no longer used."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from delivery.models import ProviderHealth
from portal import mails
from tenants.models import Role, Tenant, User

WITHIN = timedelta(hours=1)
"""Pauses older than that are no news. Longer than any restart, shorter than a key is remembered."""


def alert() -> int:
    """Mail those who can mend it about each provider that the engine paused; how many mails.

    Once a pause and person, however often this runs and whenever it dies: the mail's idempotency
    key names both.
    """
    paused = ProviderHealth.objects.filter(paused_at__gt=Now() - WITHIN).select_related(
        "provider", "tenant"
    )
    return sum(_tell(health, user) for health in paused for user in people(health.tenant))


def people(tenant: Tenant) -> list[User]:
    """Owners and admins of the tenant; for what is the platform's own, the operators."""
    if tenant.is_system:
        who = Q(is_operator=True)
    else:
        who = Q(memberships__tenant=tenant, memberships__role__in=[Role.OWNER, Role.ADMIN])
    return list(User.objects.filter(who, is_active=True).order_by("id"))


def _tell(health: ProviderHealth, user: User) -> bool:
    provider = health.provider
    assert health.paused_at is not None  # noqa: S101
    return mails.send_once(
        f"paused {provider.pk} {health.paused_at.isoformat()} {user.pk}",
        user.email,
        f"{provider.name} is paused",
        "provider_paused",
        provider=provider,
        tenant=health.tenant,
        reason=health.reason,
        detail=health.detail,
        link=mails.absolute(reverse("admin:tenants_provider_change", args=[provider.pk])),
    )
