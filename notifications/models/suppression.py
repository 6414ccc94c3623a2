"""Whom a tenant must not write to any more."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from notifications.models.notification import Mode
from tenants.models import HotTenantRow


class Suppression(HotTenantRow):
    """One address on one channel, or on it for one category.

    It is known by its keyed digest; `recipient` is the address in clear, gone once its owner is
    erased.
    In each mode of its own, as everything that a key reads and writes: what is tried with a test
    key neither stops a live message nor lets one out.
    """

    class Reason(models.TextChoices):
        """Why; `suppression:` and this is the reason of what is not sent because of it."""

        HARD_BOUNCE = "hard_bounce"
        COMPLAINT = "complaint"
        MANUAL = "manual"
        UNSUBSCRIBED = "unsubscribed"

    mode = models.CharField(max_length=6, choices=Mode.choices)
    channel = models.CharField(max_length=20)
    address = models.BinaryField(max_length=32, editable=False)
    recipient = models.CharField(max_length=512, null=True)
    category = models.CharField(max_length=20, null=True)
    reason = models.CharField(max_length=20, choices=Reason.choices)
    source = models.CharField(max_length=60, blank=True, db_default="")
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "mode", "channel", "address", "category"],
                nulls_distinct=False,
                name="suppressed_once",
            )
        ]
        indexes = [models.Index("tenant", "mode", "created_at", "id", name="suppression_feed")]

    def __str__(self) -> str:
        return self.reason
