"""`show`: everything that is known of one notification."""

from __future__ import annotations

from typing import Any

from hiram.lib import ids, rfc3339
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError, CommandParser, table
from notifications.events import own_data
from notifications.models import DeadLetter, Event, Notification
from notifications.record import show
from tenants.models import Tenant

_ATTEMPTS = ("number", "outcome", "provider", "code", "duration_ms", "started_at", "error")
_EVENTS = ("created_at", "type", "data")


class Command(Base):
    """See the module."""

    help = "Show a notification with its attempts and events, whatever its tenant."
    examples = "manage.py show ntf_01J9ZQ4M6H4T2S3V5W7X8Y9Z0A"

    def add_arguments(self, parser: CommandParser) -> None:
        """Which."""
        parser.add_argument("notification", metavar="ID", help="A notification's id (ntf_...).")

    def work(self, *, notification: str, **options: Any) -> dict[str, Any]:
        """Read it."""
        try:
            row = Notification.objects.filter(pk=ids.parse("ntf", notification)).first()
        except ids.MalformedId as error:
            raise CommandError(f"{notification!r} is not a notification's id: {error}.") from error
        if row is None:
            raise CommandError(f"There is no notification {notification}.")
        tenant = Tenant.objects.filter(pk=row.tenant_id).first()
        letters = DeadLetter.objects.filter(tenant_id=row.tenant_id, notification_id=row.pk)
        return {
            "tenant_id": ids.show("tnt", row.tenant_id),
            "tenant": tenant and tenant.name,
            **show(row),
            "dead_letters": [_letter(letter) for letter in letters.order_by("created_at", "id")],
            "events": [_event(event) for event in _events(row)],
        }

    def show(self, facts: dict[str, Any]) -> str:
        """The notification's own fields, then tables."""
        own = {n: v for n, v in facts.items() if n not in ("attempts", "events", "dead_letters")}
        parts = [super().show(own)]
        for title, columns in (
            ("attempts", _ATTEMPTS),
            ("events", _EVENTS),
            ("dead_letters", ("created_at", "reason", "detail", "closed_at")),
        ):
            if facts[title]:
                parts.append(f"{title.replace('_', ' ')}:\n{table(facts[title], columns)}")
        return "\n\n".join(parts)


def _events(row: Notification) -> list[Event]:
    found = Event.objects.filter(tenant_id=row.tenant_id, notification_id=row.pk)
    return list(found.order_by("transaction", "id"))


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": ids.show("evt", event.pk),
        "type": event.type,
        "data": own_data(event),
        "created_at": rfc3339.show_if(event.created_at),
    }


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "reason": letter.reason,
        "detail": letter.detail,
        "created_at": rfc3339.show_if(letter.created_at),
        "closed_at": rfc3339.show_if(letter.closed_at),
    }
