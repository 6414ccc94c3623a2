"""Providers: a tenant's accounts at those who carry its messages."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils.functional import SimpleLazyObject

from hiram.lib.vault import Vault
from tenants.models.base import TenantQuerySet, TenantRow

vault: Vault = SimpleLazyObject(lambda: Vault(settings.ENCRYPTION_KEYS))  # type: ignore[assignment]


class ProviderQuerySet(TenantQuerySet["Provider"]):
    """Reads of providers."""

    def usable_by(self, tenant_id: UUID) -> ProviderQuerySet:
        """A tenant's enabled providers; the platform's for channels where it has none at all."""
        own = self.model.objects.filter(tenant_id=tenant_id, channel=models.OuterRef("channel"))
        return self.filter(
            models.Q(tenant_id=tenant_id) | (models.Q(shared=True) & ~models.Exists(own)),
            enabled=True,
        ).order_by("priority", "created_at")


class Provider(TenantRow):
    """One account: which driver speaks to it, its open settings and its sealed credentials."""

    channel = models.CharField(max_length=20)
    driver = models.CharField(max_length=60)
    name = models.CharField(max_length=100)
    settings = models.JSONField(default=dict, blank=True)
    sealed = models.BinaryField(editable=False, default=b"")
    priority = models.PositiveSmallIntegerField(default=100, help_text="Lower is tried first.")
    weight = models.PositiveSmallIntegerField(default=1)
    max_per_second = models.FloatField(
        null=True, blank=True, help_text="Calls in a second, of all workers together."
    )
    max_in_flight = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Calls at the same time, of all workers together."
    )
    enabled = models.BooleanField(default=True)
    shared = models.BooleanField(
        default=False,
        help_text="The platform's default for tenants that have no provider of this channel;"
        " only for providers of the system tenant.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        constraints = [models.UniqueConstraint("tenant", "name", name="provider_name_once")]
        indexes = [
            models.Index("tenant", "channel", "priority", name="provider_by_channel"),
            models.Index("channel", condition=models.Q(shared=True), name="provider_shared"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.driver})"

    @property
    def owner(self) -> bytes:
        """What its sealed credentials are bound to."""
        return self.tenant_id.bytes + self.pk.bytes

    def allows_sender(self, sender: str) -> bool:
        """Whether a message may name this sender: its own one, or one it lists (or `@domain`)."""
        listed = [
            self.settings.get("from_email"),
            self.settings.get("from_number"),
            *self.settings.get("allowed_from", ()),
        ]
        low = sender.lower()
        allowed = {word.lower() for word in listed if word}
        return low in allowed or f"@{low.rpartition('@')[2]}" in allowed

    def seal(self, credentials: dict[str, Any]) -> None:
        """Replace the credentials; the row is not saved."""
        self.sealed = vault.seal(json.dumps(credentials).encode(), owner=self.owner)

    def open(self) -> dict[str, Any]:
        """The credentials in clear.

        Raises:
            SealBroken: see `hiram.lib.vault`.
        """
        if not self.sealed:
            return {}
        opened: dict[str, Any] = json.loads(vault.open(bytes(self.sealed), owner=self.owner))
        return opened
