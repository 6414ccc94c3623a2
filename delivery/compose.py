"""Compose: make of each claimed row the message and the way it goes, or say why it cannot go."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import connection

from delivery.accounts import with_sender
from delivery.claim import Claim
from delivery.driver import Answer, Attachment, Failed, Fault, Message
from delivery.routing import NoRoute, Route, Routes, simulator
from hiram.lib import ids

_LOAD = """
SELECT n.id, n.mode, n.channel, n.recipient, n.generation, n.created_at, c.payload::text
  FROM notifications_notification n JOIN notifications_content c ON c.id = n.content_id
 WHERE n.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """Nothing was sent, by intent; `payload_sha256` is of exactly what would have been."""

    payload_sha256: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """The driver raised, which it never should; whether anything left is not known."""

    detail: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """One message on its way: claimed, composed, routed. Without a route it goes nowhere real."""

    claim: Claim
    attempt_id: UUID
    message: Message
    route: Route | None
    shadow: bool

    def attempt(self) -> dict[str, Any]:
        """What `claim.begin` writes before the call."""
        return {
            "id": self.claim.id,
            "fence": self.claim.fence,
            "attempt_id": self.attempt_id,
            "provider_id": self.route and self.route.provider_id,
            "provider_name": self.route and self.route.provider_name,
            "driver": self.route and self.route.driver_name,
            "shadow": self.shadow,
        }

    @property
    def driver_name(self) -> str:
        """The driver's key; `none` for what goes nowhere."""
        return self.route.driver_name if self.route else "none"

    @property
    def server(self) -> str | None:
        """The host that is called, for traces."""
        fields = self.route and self.route.account.settings
        url = getattr(fields, "api_url", "") or ""
        return getattr(fields, "host", None) or urlsplit(url).hostname

    def send(self, timeout: float) -> Answer | Shadowed:
        """Call the provider once within `timeout` seconds, or only hash what it would be given."""
        if self.route is None:
            return Shadowed(_digest(json.dumps(asdict(self.message), default=_plain).encode()))
        if not self.shadow:
            return self.route.driver.send(self.route.account, self.message, timeout=timeout)
        try:
            payload = self.route.driver.payload(self.route.account, self.message)
        except ValueError as error:
            return Failed(Fault.BAD_CONTENT, str(error))
        return Shadowed(_digest(payload))


@dataclass(frozen=True, slots=True)
class Stuck:
    """A claimed row that cannot go: parked until something changes, or ended."""

    claim: Claim
    reason: str
    parks: bool
    detail: str = ""


def compose(claims: Sequence[Claim]) -> list[Work | Stuck]:
    """The message and route of each claim, in one read for all of them."""
    if not claims:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, [[c.id for c in claims]])
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
    routes = Routes(c.tenant_id for c in claims)
    return [_compose(c, rows.get(c.id), routes) for c in claims]


def _compose(claim: Claim, row: Any, routes: Routes) -> Work | Stuck:
    if row is None:
        return Stuck(claim, "content_gone", parks=False)
    mode, channel, recipient, generation, created_at, payload = row
    attempt_id = ids.new()
    shown = ids.show("ntf", claim.id)
    try:
        message = Message(
            key=f"{shown}-{generation}" if generation else shown,
            channel=channel,
            recipient=recipient,
            at=created_at,
            attempt_id=ids.show("att", attempt_id),
            **_fields(json.loads(payload)),
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return Stuck(claim, "unreadable", parks=False, detail=type(error).__name__)
    route = _route(claim, mode, message, routes)
    if isinstance(route, NoRoute):
        return Stuck(claim, route.reason, route.parks)
    shadow = route is None or (mode != "live" and route.provider_id is not None)
    composed = with_sender(message, route.account) if route else message
    return Work(claim, attempt_id, composed, route, shadow)


def _route(claim: Claim, mode: str, message: Message, routes: Routes) -> Route | NoRoute | None:
    """Live goes to a provider; test to the simulator; what has neither goes nowhere, in shadow."""
    if mode == "test" and (sandbox := simulator(message.channel)):
        return sandbox
    route = routes.choose(claim.tenant_id, message.channel, message.sender)
    if mode != "live" and isinstance(route, NoRoute):
        return None
    return route


def _fields(payload: dict[str, Any]) -> dict[str, Any]:
    attachments = tuple(
        Attachment(a["filename"], a["content_type"], base64.b64decode(a["content"]))
        for a in payload.pop("attachments", ())
    )
    lists = {name: tuple(payload.pop(name, ())) for name in ("cc", "bcc")}
    headers = dict(payload.pop("headers", {}))
    if not all(isinstance(value, str) for value in payload.values()):
        raise TypeError("a text is not text")
    return {**payload, **lists, "headers": headers, "attachments": attachments}


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
