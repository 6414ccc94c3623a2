"""A stop of all that a tenant sends, or of one channel."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from notifications.models.notification import Mode
from tenants.models import HotTenantRow


class Block(HotTenantRow):
    """While it is there and has not expired, nothing goes out by its channel; null is every one."""

    mode = models.CharField(max_length=6, choices=Mode.choices)
    channel = models.CharField(max_length=20, null=True)
    reason = models.CharField(max_length=500)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index("tenant", "mode", "created_at", "id", name="block_feed")]

    def __str__(self) -> str:
        return self.reason
