"""Meaning: what receipts change in what they are about, one after the other; nothing is written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from delivery.driver import Kind
from delivery.verdict import EMPTY
from hiram.lib import ids
from notifications.models import Suppression
from notifications.states import State, before, may_move
from notifications.suppression import normalised, suppressed

_STATES = {
    Kind.DELIVERED: State.DELIVERED,
    Kind.BOUNCED: State.BOUNCED,
    Kind.COMPLAINED: State.COMPLAINED,
}
_DOUBTFUL = ("started", "unknown", "abandoned")
_SILENT = (Kind.ACCEPTED, *_STATES)
"""Kinds that write no event unless they change the state."""


class Heard(NamedTuple):
    """One receipt, as it is read."""

    id: UUID
    kind: str
    hard: bool
    provider_message_id: str
    recipient: str
    code: str
    description: str
    at: datetime

    @property
    def reason(self) -> str | None:
        """Why, as the notification and the list of the suppressed have it."""
        if self.kind == Kind.COMPLAINED:
            return Suppression.Reason.COMPLAINT
        if self.kind == Kind.BOUNCED:
            return Suppression.Reason.HARD_BOUNCE if self.hard else "soft_bounce"
        return None


@dataclass
class About:
    """Where one stands, while receipts are applied to it."""

    id: UUID
    tenant_id: UUID
    mode: str
    channel: str
    recipient: str
    status: str


@dataclass
class Changes:
    """What the receipts of one batch change."""

    heard: dict[UUID, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    moved: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    suppressed: list[Suppression] = field(default_factory=list)


def fold(changes: Changes, receipt: Heard, attempt: dict[str, Any], about: About) -> None:
    """What this receipt adds, after those before it."""
    if receipt.kind != Kind.REJECTED and attempt["outcome"] in _DOUBTFUL:
        changes.heard[about.id].append(_sent(receipt, attempt, about))
        attempt["outcome"] = "sent"
        if about.status in before(State.SENT):
            about.status = State.SENT
    address = receipt.recipient
    if address and receipt.reason in Suppression.Reason.values:
        changes.suppressed.append(_suppression(about, address, str(receipt.reason)))
    is_copy = address and normalised(address) != normalised(about.recipient)
    if attempt["outcome"] == "sent" and not is_copy:
        _move(changes, receipt, attempt, about)


def _move(changes: Changes, receipt: Heard, attempt: dict[str, Any], about: About) -> None:
    target = _STATES.get(Kind(receipt.kind))
    if target is not None and may_move(State(about.status), target):
        about.status = target
        at = receipt.at if target is State.DELIVERED else None
        earlier = changes.moved.get(about.id, {})
        changes.moved[about.id] = {
            "id": about.id, "status": target, "reason": receipt.reason,
            "at": at or earlier.get("at"),
        }  # fmt: skip
    elif receipt.kind in _SILENT:
        return
    changes.events.append(
        {
            "id": ids.new(),
            "tenant_id": about.tenant_id,
            "notification_id": about.id,
            "mode": about.mode,
            "type": f"notification.{receipt.kind}",
            "data": _said(receipt, attempt),
        }
    )


def _said(receipt: Heard, attempt: dict[str, Any]) -> dict[str, Any]:
    said = {
        "attempt_id": str(attempt["id"]),
        "provider": attempt["provider_name"],
        "driver": attempt["driver"],
        "at": receipt.at.isoformat(),
        "reason": receipt.reason,
        "code": receipt.code,
        "description": receipt.description,
    }
    return {name: value for name, value in said.items() if value}


def _sent(receipt: Heard, attempt: dict[str, Any], about: About) -> dict[str, Any]:
    return {
        **EMPTY,
        "id": about.id,
        "fence": attempt["fence"],
        "attempt_id": attempt["id"],
        "event_ids": [ids.new(), ids.new()],
        "provider_id": attempt["provider_id"],
        "provider_name": attempt["provider_name"],
        "driver": attempt["driver"],
        "outcome": "sent",
        "provider_message_id": receipt.provider_message_id or None,
        "channel": about.channel,
    }


def _suppression(about: About, address: str, reason: str) -> Suppression:
    return suppressed((about.tenant_id, about.mode), about.channel, address, reason, "receipt")
