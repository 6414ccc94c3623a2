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
from notifications.models.outbox import CLASSES, Attempt, Lane, OutboxMessage
from notifications.models.suppression import Suppression

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
    "Suppression",
]
