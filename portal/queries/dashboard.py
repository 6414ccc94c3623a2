"""The overview's numbers: few queries, each along an index and with a limit of its patience."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from notifications.models import Mode, Notification
from notifications.states import OWED, State
from portal.access import Access
from portal.queries.feed import since
from portal.queries.patience import TooMuch, patience
from tenants.models import Provider

LOST = (State.FAILED, State.BOUNCED, State.COMPLAINED, State.EXPIRED)
GONE = (State.SENT, State.DELIVERED, State.ACKED, State.READ)


@dataclass(frozen=True, slots=True)
class Number:
    """One number of the overview; `value` is None when it took too long to find."""

    label: str
    value: int | None
    about: str
    colour: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first page shows."""

    numbers: list[Number]
    providers: int


def overview(access: Access) -> Overview:
    """The numbers of the tenants that the user sees."""
    rows = access.within(Notification.objects.all(), "tenant_id")
    day = since(rows, timezone.now() - timedelta(days=1)).filter(mode__in=Mode.values)
    counted = _counted(day)
    lost = counted.get("lost")
    owed = _number(rows.filter(status__in=sorted(OWED)))
    return Overview(
        numbers=[
            Number("Accepted", counted.get("accepted"), "in the last 24 hours"),
            Number("Sent", counted.get("sent"), "of these"),
            Number("Failed", lost, "of these", "danger" if lost else ""),
            Number("Owed", owed, "now, not yet settled"),
        ],
        providers=access.within(Provider.objects.all(), "tenant_id").count(),
    )


def _counted(rows: QuerySet[Notification]) -> dict[str, int]:
    try:
        with patience():
            return rows.aggregate(
                accepted=Count("pk"),
                sent=Count("pk", filter=Q(status__in=GONE)),
                lost=Count("pk", filter=Q(status__in=LOST)),
            )
    except TooMuch:
        return {}


def _number(rows: QuerySet[Notification]) -> int | None:
    try:
        with patience():
            return rows.count()
    except TooMuch:
        return None
