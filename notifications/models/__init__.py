"""What was asked, what is owed, and what became of it."""

from __future__ import annotations

from notifications.models.notification import (
    Content,
    DeadLetter,
    Event,
    IdempotencyRecord,
    Mode,
    Notification,
)
from notifications.models.outbox import CLASSES, Attempt, Lane, OutboxMessage, RestoreFence
from notifications.models.suppression import Suppression
from notifications.models.webhook import WebhookDelivery, WebhookEndpoint

__all__ = [
    "CLASSES",
    "Attempt",
    "Content",
    "DeadLetter",
    "Event",
    "IdempotencyRecord",
    "Lane",
    "Mode",
    "Notification",
    "OutboxMessage",
    "RestoreFence",
    "Suppression",
    "WebhookDelivery",
    "WebhookEndpoint",
]
