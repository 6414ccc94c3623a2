"""The notification as everybody sees it: what is stored, and what the engine does right now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from hiram.lib import ids, rfc3339
from hiram.lib.text import cut
from notifications.models import Attempt, Lane, Notification, OutboxMessage, RestoreFence
from notifications.states import OWED, State
from notifications.undisturbed import REASON

_OWED = """
SELECT o.id, o.due_at, o.due_at <= statement_timestamp(),
       o.leased_by IS NOT NULL AND o.due_at > statement_timestamp(), o.tries,
       coalesce((SELECT 'restored' FROM notifications_restorefence LIMIT 1), l.reason, CASE WHEN o.ordering_key IS NOT NULL AND o.fence = 0
                                    AND o.due_at = o.expires_at THEN 'ordering_key' END)
  FROM notifications_outboxmessage o LEFT JOIN notifications_lane l ON l.id = o.lane_id
 WHERE o.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Debt:
    """What the engine holds of an unsettled notification."""

    due_at: datetime
    is_due: bool
    is_leased: bool
    tries: int
    parked: str | None


def show_all(rows: Sequence[Notification]) -> list[dict[str, Any]]:
    """The rows as the API shows them, attempts included, in three queries for all."""
    debts = _debts(row.pk for row in rows if row.status in OWED)
    attempts: dict[UUID, list[Attempt]] = {row.pk: [] for row in rows}
    for attempt in Attempt.objects.filter(subject_id__in=attempts).order_by("number"):
        attempts[attempt.subject_id].append(attempt)
    return [_show(row, debts.get(row.pk), attempts[row.pk]) for row in rows]


def show(row: Notification) -> dict[str, Any]:
    """One row as the API shows it."""
    return show_all([row])[0]


def show_attempt(attempt: Attempt) -> dict[str, Any]:
    """One attempt as the API shows it."""
    finished = attempt.finished_at
    return {
        "id": ids.show("att", attempt.pk),
        "number": attempt.number,
        "provider": attempt.provider_name,
        "driver": attempt.driver,
        "outcome": attempt.outcome,
        "fault": attempt.fault,
        "code": attempt.code,
        "enhanced_code": attempt.enhanced_code,
        "error": attempt.error and cut(attempt.error),
        "duration_ms": milliseconds(attempt.started_at, finished) if finished else None,
        "route": attempt.route and {"scope": None, **attempt.route},
        "shadow": attempt.shadow,
        "payload_sha256": attempt.payload_sha256,
        "provider_message_id": attempt.provider_message_id,
        "copies": attempt.copies,
        "started_at": rfc3339.show(attempt.started_at),
        "finished_at": rfc3339.show_if(finished),
    }


def milliseconds(start: datetime, stop: datetime) -> int:
    """Whole milliseconds between two times."""
    return round((stop - start).total_seconds() * 1000)


def with_status(rows: QuerySet[Notification], status: State) -> QuerySet[Notification]:
    """The rows that show this status."""
    if status not in (State.ACCEPTED, State.SCHEDULED, State.QUEUED, State.SENDING):
        return rows.filter(status=status)
    owed = OutboxMessage.objects.filter(pk=OuterRef("pk"))
    parked = Lane.objects.filter(pk=OuterRef("lane_id"), reason__isnull=False)
    fenced = Exists(RestoreFence.objects.all())
    waits = Q(ordering_key__isnull=False, fence=0, due_at=F("expires_at"))
    tried = Attempt.objects.filter(subject_id=OuterRef("pk"))
    started = tried.filter(outcome=Attempt.Outcome.STARTED)
    is_leased = Q(Exists(owed.filter(leased_by__isnull=False, due_at__gt=Now())))
    is_sending = is_leased & Q(Exists(started))
    is_idle = ~is_leased & (
        ~Q(Exists(owed)) | Q(Exists(owed.filter(fenced | Exists(parked) | waits)))
    )
    is_early = Exists(owed.filter(due_at__gt=Now())) & ~is_leased & ~Q(Exists(tried))
    is_scheduled = Q(status=State.SCHEDULED) & (is_early | ~Q(Exists(owed)))
    if status == State.SCHEDULED:
        return rows.filter(is_scheduled)
    rows = rows.filter(~is_scheduled, status__in=(State.ACCEPTED, State.SCHEDULED))
    match status:
        case State.SENDING:
            return rows.filter(is_sending)
        case State.QUEUED:
            return rows.filter(~is_sending & ~is_idle)
        case _:
            return rows.filter(is_idle)


def _debts(found: Iterable[UUID]) -> dict[UUID, Debt]:
    owed = list(found)
    if not owed:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_OWED, [owed])
        return {row[0]: Debt(*row[1:]) for row in cursor.fetchall()}


def status(
    stored: str, debt: Debt | None, *, calling: bool, tried: bool
) -> tuple[State, str | None, datetime | None]:
    """Status, reason and next attempt, as shown: derived from what the engine holds."""
    if stored not in (State.ACCEPTED, State.SCHEDULED) or debt is None:
        return State(stored), None, None
    if debt.is_leased:
        return (State.SENDING if calling else State.QUEUED), None, None
    if stored == State.SCHEDULED and not debt.is_due and not tried:
        return State.SCHEDULED, None, None
    if debt.parked:
        return State.ACCEPTED, debt.parked, None
    return State.QUEUED, None, None if debt.is_due and not debt.tries else debt.due_at


def _reason(row: Notification, debt: Debt | None) -> str | None:
    """The one stored; that it is put off for its user holds until the moment it is put off to."""
    if debt is None or row.reason != REASON:
        return row.reason
    until = row.scheduled_at
    return row.reason if until and not debt.is_due and debt.due_at <= until else None


def _show(row: Notification, debt: Debt | None, attempts: list[Attempt]) -> dict[str, Any]:
    calling = any(a.outcome == Attempt.Outcome.STARTED for a in attempts)
    shown, waits_for, next_attempt_at = status(
        row.status, debt, calling=calling, tried=bool(attempts)
    )
    provider = row.driver and {
        "id": row.provider_id and ids.show("prv", row.provider_id),
        "name": row.provider_name,
        "driver": row.driver,
    }
    return {
        "id": ids.show("ntf", row.pk),
        "request_id": row.request_id and ids.show("req", row.request_id),
        "mode": row.mode,
        "channel": row.channel,
        "recipient": row.recipient,
        "user_id": row.user_id,
        "org_id": row.org_id,
        "template": row.template,
        "template_version": row.template_version,
        "locale": row.locale,
        "subject": row.subject,
        "category": row.category,
        "priority": row.priority,
        "status": str(shown),
        "reason": _reason(row, debt) or waits_for,
        "metadata": row.metadata,
        "provider": provider,
        "latency_ms": row.sent_at and milliseconds(row.created_at, row.sent_at),
        "created_at": rfc3339.show_if(row.created_at),
        "scheduled_at": rfc3339.show_if(row.scheduled_at),
        "expires_at": rfc3339.show_if(row.expires_at),
        "next_attempt_at": rfc3339.show_if(next_attempt_at),
        "sent_at": rfc3339.show_if(row.sent_at),
        "delivered_at": rfc3339.show_if(row.delivered_at),
        "body_erased_at": rfc3339.show_if(row.body_erased_at),
        "attempts": [show_attempt(attempt) for attempt in attempts],
    }
