"""Providers whose vendors are the simulator's."""

from __future__ import annotations

from typing import Any

import pytest

from delivery.apply import apply
from delivery.audit import audit
from notifications.models import Event, Notification
from tenants.models import Provider, Tenant
from tests.delivery.receipts import vendors


@pytest.fixture
def mail(tenant: Tenant, simulator: Any) -> Provider:
    return vendors.resend(tenant, simulator.http_url)


@pytest.fixture
def text(tenant: Tenant, simulator: Any) -> Provider:
    return vendors.twilio(tenant, simulator.http_url)


def applied() -> None:
    """Apply everything that is due, and find the books in order."""
    while apply():
        pass
    assert audit().broken == []


def types(notification: Notification) -> list[str]:
    """Its events in order, without the common beginning."""
    rows = Event.objects.filter(notification_id=notification.pk).order_by("transaction", "id")
    return [event.type.removeprefix("notification.") for event in rows]


def status(notification: Notification) -> str:
    """As it is stored."""
    notification.refresh_from_db()
    return notification.status
