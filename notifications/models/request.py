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
