"""Users who want quiet just now, and what waits for the end of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from delivery.audit import audit
from notifications.models import DeadLetter, Event, Notification, OutboxMessage, Preference
from notifications.record import show, with_status
from notifications.states import State
from tenants.models import Tenant
from tests.factories import make_user

HOUR = timedelta(hours=1)


def quiet(tenant: Tenant, user_id: str = "u1", *, hours: int = 1, **fields: Any) -> datetime:
    """The user wants quiet from an hour ago on; when it ends."""
    now = datetime.now(UTC)
    make_user(tenant, user_id, timezone="UTC")
    span = {"start": f"{now - HOUR:%H:%M}", "end": f"{now + hours * HOUR:%H:%M}"}
    given = {"quiet_hours": span} | fields
    Preference.objects.create(tenant=tenant, mode="live", user_id=user_id, **given)
    return (now + hours * HOUR).replace(second=0, microsecond=0)


def come() -> None:
    """Its time has come, without it being day."""
    OutboxMessage.objects.update(due_at=timezone.now(), leased_by=None)


def morning() -> None:
    """The quiet is over."""
    Preference.objects.update(quiet_hours=None, send_windows=[])
    now = timezone.now()
    Notification.objects.filter(status="scheduled").update(scheduled_at=now)
    come()


def record(notification: Notification) -> dict[str, Any]:
    notification.refresh_from_db()
    return show(notification)


def waits(notification: Notification, ready: datetime) -> OutboxMessage:
    """It waits until then, and nothing of it is lost or counted."""
    row = OutboxMessage.objects.get(pk=notification.pk)
    assert (row.due_at, row.leased_by, row.claims) == (ready, None, 0)
    seen = record(notification)
    tried = bool(seen["attempts"])
    assert (seen["status"], seen["reason"]) == ("queued" if tried else "scheduled", "quiet_hours")
    assert notification.scheduled_at == ready
    mine = Notification.objects.filter(pk=notification.pk)
    assert with_status(mine, State(seen["status"])).exists()
    said = Event.objects.filter(type="notification.scheduled", notification_id=notification.pk)
    data = said.latest("id").data
    assert (data["reason"], datetime.fromisoformat(data["until"])) == ("quiet_hours", ready)
    assert not DeadLetter.objects.filter(closed_at=None).exists()
    assert audit().broken == []
    return row
