"""What providers called back with, before and after it was understood."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from tenants.models import HotTenantRow

DESCRIPTION_CHARACTERS = 2_000


class Receipt(HotTenantRow):
    """One report of a provider, kept once however often it comes.

    `digest` is of the vendor's id of the event, or of what it says where it has none. The tenant
    is the provider's. `attempt_id` and `notification_id` are what the vendor echoed, then what was
    found. Without `applied_at` it waits for the attempt it is about, until `due_at` at least.
    `raw` and `recipient` are forgotten first.
    """

    provider_id = models.UUIDField()
    digest = models.BinaryField(max_length=32, editable=False)
    kind = models.CharField(max_length=12)
    hard = models.BooleanField(default=False)
    provider_message_id = models.CharField(max_length=512, blank=True)
    attempt_id = models.UUIDField(null=True)
    notification_id = models.UUIDField(null=True)
    recipient = models.CharField(max_length=512, null=True)
    code = models.CharField(max_length=40, blank=True)
    description = models.CharField(max_length=DESCRIPTION_CHARACTERS, blank=True)
    raw = models.TextField(null=True)
    happened_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    due_at = models.DateTimeField(db_default=Now())
    applied_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "provider_id", "digest", name="receipt_once")
        ]
        indexes = [
            models.Index("due_at", condition=models.Q(applied_at=None), name="receipt_due"),
            models.Index("received_at", condition=models.Q(raw__isnull=False), name="receipt_raw"),
            models.Index(
                "notification_id",
                condition=models.Q(notification_id__isnull=False),
                name="receipt_by_notification",
            ),
        ]

    def __str__(self) -> str:
        return self.kind
