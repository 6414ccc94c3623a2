"""What was asked, what is owed, and what became of it."""

from __future__ import annotations

from notifications.models.block import Block
from notifications.models.erasure import Erasure
from notifications.models.notification import (
    Content,
    DeadLetter,
    Event,
    IdempotencyRecord,
    Mode,
    Notification,
)
from notifications.models.outbox import CLASSES, Attempt, Lane, OutboxMessage, RestoreFence
from notifications.models.request import Deduplication, NotificationRequest
from notifications.models.subscriber import Consent, Preference, Subscriber
from notifications.models.suppression import Suppression
from notifications.models.template import Brand, Template, TemplatePartial, TemplateVersion
from notifications.models.webhook import WebhookDelivery, WebhookEndpoint

__all__ = [
    "CLASSES",
    "Attempt",
    "Block",
    "Brand",
    "Consent",
    "Content",
    "DeadLetter",
    "Deduplication",
    "Erasure",
    "Event",
    "IdempotencyRecord",
    "Lane",
    "Mode",
    "Notification",
    "NotificationRequest",
    "OutboxMessage",
    "Preference",
    "RestoreFence",
    "Subscriber",
    "Suppression",
    "Template",
    "TemplatePartial",
    "TemplateVersion",
    "WebhookDelivery",
    "WebhookEndpoint",
]
