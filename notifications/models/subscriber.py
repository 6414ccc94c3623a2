"""A tenant's users: where they can be reached, and what they want to get."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

from notifications.models.notification import Mode
from tenants.models import HotTenantRow


class Subscriber(HotTenantRow):
    """One of a tenant's users, by the tenant's own id; in each mode of its own.

    `addresses` are normalised, by channel.
    """

    mode = models.CharField(max_length=6, choices=Mode.choices)
    user_id = models.CharField(max_length=256)
    addresses = models.JSONField(default=dict)
    locale = models.CharField(max_length=35, null=True)
    timezone = models.CharField(max_length=64, null=True)
    attributes = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "mode", "user_id", name="subscriber_once")
        ]
        indexes = [
            models.Index("tenant", "mode", "created_at", "id", name="subscriber_feed"),
            GinIndex(
                fields=["addresses"], opclasses=["jsonb_path_ops"], name="subscriber_addresses"
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Preference(HotTenantRow):
    """What a user wants: one row a user.

    `categories` and `templates` hold a yes or no by name and channel; what is not there is not
    said. `quiet_hours` and `send_windows` are times of day where the user is.
    """

    mode = models.CharField(max_length=6, choices=Mode.choices)
    user_id = models.CharField(max_length=256)
    categories = models.JSONField(default=dict)
    templates = models.JSONField(default=dict)
    quiet_hours = models.JSONField(null=True)
    send_windows = models.JSONField(default=list)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "mode", "user_id", name="preference_once")
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Consent(HotTenantRow):
    """A receipt: what somebody agreed to, or withdrew, in which words. Never changed; an erasure
    blanks whose it is."""

    mode = models.CharField(max_length=6, choices=Mode.choices)
    user_id = models.CharField(max_length=256, null=True)
    category = models.CharField(max_length=20)
    channel = models.CharField(max_length=20)
    granted = models.BooleanField()
    text = models.TextField(blank=True)
    version = models.CharField(max_length=100, blank=True)
    source = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=512, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index("tenant", "mode", "user_id", "created_at", "id", name="consent_by_user")
        ]

    def __str__(self) -> str:
        return str(self.pk)
