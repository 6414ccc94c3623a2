"""One call of notify, which made many notifications."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from notifications.models.notification import Mode
from tenants.models import HotTenantRow


class NotificationRequest(HotTenantRow):
    """What was asked for in one call; its notifications name it."""

    class Strategy(models.TextChoices):
        """To every channel of a recipient, or to the first on which it can be reached."""

        ALL = "all"
        FIRST_REACHABLE = "first_reachable"

    mode = models.CharField(max_length=6, choices=Mode.choices)
    template = models.CharField(max_length=100, null=True)
    strategy = models.CharField(max_length=20, choices=Strategy.choices)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return str(self.pk)


class Deduplication(HotTenantRow):
    """Until it expires, no other notification of the same key is sent to the same recipient.

    `digest` is of the recipient and the tenant's key.
    """

    mode = models.CharField(max_length=6, choices=Mode.choices)
    digest = models.BinaryField(max_length=32, editable=False)
    notification_id = models.UUIDField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "mode", "digest", name="deduplication_once")
        ]
        indexes = [models.Index("expires_at", name="deduplication_expiry")]

    def __str__(self) -> str:
        return str(self.pk)
