"""Where tenants want to be told, and what of it is owed."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from notifications.models.notification import Mode
from tenants.models import HotTenantRow, TenantRow
from tenants.models.provider import vault


class WebhookEndpoint(TenantRow):
    """One URL that events are posted to. Its lane has its id.

    `events` are the types wanted, none means all. `first_failed_at` is the first failure of a row
    of failures without a success; `warned` the part of the time until it is disabled, in percent,
    that was told.
    """

    mode = models.CharField(max_length=6, choices=Mode.choices)
    url = models.TextField()
    description = models.CharField(max_length=200, blank=True)
    events = ArrayField(models.CharField(max_length=60), default=list)
    rate_limit = models.FloatField(null=True)
    ordered = models.BooleanField(default=False)
    asymmetric = models.BooleanField(default=False)
    sealed = models.BinaryField(editable=False, default=b"")
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=20, null=True)
    first_failed_at = models.DateTimeField(null=True)
    warned = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(disabled_at=None, disabled_reason=None)
                | models.Q(disabled_at__isnull=False, disabled_reason__isnull=False),
                name="webhook_disabled_has_reason",
            )
        ]
        indexes = [
            models.Index("tenant", "mode", "created_at", name="webhook_by_tenant"),
            models.Index(
                "first_failed_at",
                condition=models.Q(first_failed_at__isnull=False),
                name="webhook_failing",
            ),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def owner(self) -> bytes:
        """What its sealed secrets are bound to."""
        return self.tenant_id.bytes + self.pk.bytes

    def seal(self, secrets: dict[str, Any]) -> None:
        """Replace its secrets; the row is not saved."""
        self.sealed = vault.seal(json.dumps(secrets).encode(), owner=self.owner)

    def open(self) -> dict[str, Any]:
        """Its secrets and headers in clear: see `notifications.secrets`.

        Raises:
            SealBroken: see `hiram.lib.vault`.
        """
        opened: dict[str, Any] = json.loads(vault.open(bytes(self.sealed), owner=self.owner))
        return opened


class WebhookDelivery(HotTenantRow):
    """One event to be told to one endpoint; its outbox row has its id. Made by the database, in
    the transaction that writes the event."""

    mode = models.CharField(max_length=6, choices=Mode.choices)
    endpoint_id = models.UUIDField()
    event_id = models.UUIDField()
    status = models.CharField(max_length=12)
    reason = models.CharField(max_length=60, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint("tenant", "endpoint_id", "event_id", name="webhook_told_once"),
            models.CheckConstraint(
                condition=models.Q(status="accepted", settled_at__isnull=True)
                | models.Q(
                    status__in=["sent", "failed", "expired", "canceled"], settled_at__isnull=False
                ),
                name="webhook_delivery_settled_has_time",
            ),
        ]
        indexes = [
            models.Index("endpoint_id", "created_at", "id", name="webhook_delivery_feed"),
        ]

    def __str__(self) -> str:
        return self.status
