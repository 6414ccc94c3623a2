"""Dead letters of notifications. Those of webhooks are among their webhook's deliveries."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from notifications.models import DeadLetter, WebhookDelivery


def open_letters(rows: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    """Those that nobody replayed yet."""
    of_webhook = WebhookDelivery.objects.filter(pk=OuterRef("notification_id"))
    return rows.filter(~Exists(of_webhook), closed_at=None)
