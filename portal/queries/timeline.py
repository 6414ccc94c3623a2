"""What happened to one notification, in order: events and attempts, with the time between."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from hiram.lib import ids
from hiram.lib.text import cut
from notifications.models import Attempt, Content, Event, Notification
from portal.queries.wording import (
    EVENT_COLOURS,
    OUTCOME_COLOURS,
    OUTCOMES,
    duration_in_words,
    event_in_words,
    reason_in_words,
    route_in_words,
)

ENTRIES = 200

LABELS = {"at": "The provider's time", "code": "Answer", "description": "Said"}
"""Names of what an event says, where they are not its own in plain letters."""


@dataclass(slots=True)
class Step:
    """One line of the timeline. `after` is the time since the line before."""

    at: datetime
    title: str
    colour: str
    text: str = ""
    details: list[tuple[str, str]] = field(default_factory=list)
    after: str = ""


def timeline(notification: Notification, *, workers: bool) -> list[Step]:
    """The newest 200 steps, oldest first; the worker of an attempt is named where asked for."""
    attempts = Attempt.objects.filter(
        subject_id=notification.pk, tenant_id=notification.tenant_id
    ).order_by("-started_at", "-id")[:ENTRIES]
    # An attempt says what the event of its end says, and more.
    events = (
        Event.objects.filter(notification_id=notification.pk, tenant_id=notification.tenant_id)
        .exclude(type="notification.attempted")
        .order_by("-created_at", "-id")[:ENTRIES]
    )
    steps = [*(_attempt(a, workers=workers) for a in attempts), *map(_event, events)]
    steps.sort(key=lambda step: step.at)
    for before, step in pairwise(steps):
        step.after = f"+{duration_in_words((step.at - before.at).total_seconds())}"
    return steps[-ENTRIES:]


def _attempt(attempt: Attempt, *, workers: bool) -> Step:
    where = " · ".join(part for part in (attempt.provider_name, attempt.driver) if part)
    worker = attempt.worker if workers else ""
    taken = attempt.finished_at and attempt.finished_at - attempt.started_at
    took = duration_in_words(taken.total_seconds()) if taken else ""
    return Step(
        at=attempt.started_at,
        title=f"Attempt {attempt.number}: {attempt.get_outcome_display()}",
        colour=OUTCOME_COLOURS.get(attempt.outcome, "info"),
        text=_said(attempt),
        details=[
            (label, text)
            for label, text in [*_facts(attempt, where, took), ("Worker", worker)]
            if text
        ],
    )


def _said(attempt: Attempt) -> str:
    return f"{reason_in_words(attempt.fault)} {OUTCOMES.get(attempt.outcome, '')}".strip()


def _facts(attempt: Attempt, where: str, took: str) -> list[tuple[str, str | None]]:
    codes = " ".join(code for code in (attempt.code, attempt.enhanced_code) if code)
    return [
        ("Through", where or "no provider"),
        ("Why there", route_in_words(attempt.route)),
        ("Took", took),
        ("Answer", codes),
        ("Said", cut(attempt.error or "")),
        ("Provider's id", attempt.provider_message_id),
        ("Copies", _copies(attempt.copies)),
        ("SHA-256 of the payload", attempt.payload_sha256),
        ("Id", ids.show("att", attempt.pk)),
    ]


def _copies(copies: Any) -> str:
    """What became of cc and bcc."""
    if not isinstance(copies, list):
        return ""
    return ", ".join(
        f"{copy.get('address')}: {'taken' if copy.get('accepted') else copy.get('detail')}"
        for copy in copies
        if isinstance(copy, dict)
    )


def _event(event: Event) -> Step:
    colour = EVENT_COLOURS.get(event.type.removeprefix("notification."), "info")
    data = event.data if isinstance(event.data, dict) else {}
    details = [
        _detail(name, value)
        for name, value in data.items()
        if name != "reason" and value not in (None, "")
    ]
    return Step(
        at=event.created_at,
        title=event_in_words(event.type),
        colour=colour,
        text=reason_in_words(data.get("reason")),
        details=details,
    )


def _detail(name: str, value: Any) -> tuple[str, str]:
    if name == "attempt_id":
        return "Attempt", ids.show("att", UUID(value))
    return LABELS.get(name) or name.replace("_", " ").capitalize(), cut(str(value))


def content_of(notification: Notification) -> dict[str, Any] | None:
    """Bodies, and attachments without their bytes; None when it was erased."""
    if notification.body_erased_at:
        return None
    found = Content.objects.filter(
        pk=notification.content_id, tenant_id=notification.tenant_id
    ).first()
    if found is None:
        return None
    payload: dict[str, Any] = dict(found.payload)
    payload["attachments"] = [
        {
            "filename": a.get("filename"),
            "content_type": a.get("content_type"),
            "size": len(a.get("content", "")) * 3 // 4,
        }
        for a in payload.get("attachments", ())
    ]
    return payload
