"""Events: which there are, and how they are told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hiram.lib import ids, rfc3339
from notifications.models import Event, Notification
from notifications.states import STORED

NOTIFICATION = "notification."
TEST = "webhook.test"

EVENTS: tuple[str, ...] = (
    *sorted(f"{NOTIFICATION}{state}" for state in STORED),
    f"{NOTIFICATION}attempted",
    f"{NOTIFICATION}clicked",
    f"{NOTIFICATION}deferred",
    f"{NOTIFICATION}opened",
    f"{NOTIFICATION}rejected",
    f"{NOTIFICATION}released",
    f"{NOTIFICATION}replayed",
    "provider.degraded",
    "provider.recovered",
    "webhook.disabled",
)
"""Every type that can be asked for."""


def show(event: Event, notification: Notification | None) -> dict[str, Any]:
    """An event as the feed has it."""
    return {"id": ids.show("evt", event.pk)} | payload(event, notification)


def payload(event: Event, notification: Notification | None) -> dict[str, Any]:
    """An event as it is posted: the same whenever it is asked for."""
    data: dict[str, Any] = {"mode": event.mode}
    if event.notification_id is not None:
        data["notification_id"] = ids.show("ntf", event.notification_id)
    if notification is not None:
        data |= {
            "channel": notification.channel,
            "recipient": notification.recipient,
            "category": notification.category,
            "metadata": notification.metadata,
        }
    data |= own_data(event)
    return {"type": event.type, "timestamp": rfc3339.show(event.created_at), "data": data}


def own_data(event: Event) -> dict[str, Any]:
    """What the event alone says."""
    data = event.data if isinstance(event.data, dict) else {}
    return {
        name: ids.show("att", UUID(value)) if name == "attempt_id" else value
        for name, value in data.items()
    }
