"""Work: one claimed row made ready for its call, or why it cannot be called. For every topic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from delivery.claim import Claim
from delivery.driver import Answer
from delivery.retry import UNKNOWN_LEAST_SECONDS
from delivery.route import Route
from delivery.routing import Way
from tenants.policy import Policy


@dataclass(frozen=True, slots=True)
class Shadowed:
    """Nothing was sent, by intent; `payload_sha256` is of exactly what would have been."""

    payload_sha256: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """The driver raised, which it never should; whether anything left is not known."""

    detail: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something to be called. Without a way it goes to no provider.

    `rules` are those of its category or topic; `lifetime` is for how many seconds it is tried in
    all, `unknown_seconds` how long it waits at least after a lost answer.
    """

    claim: Claim
    attempt_id: UUID
    rules: Policy
    lifetime: float
    way: Way | None = None
    shadow: bool = False
    unknown_seconds: float = UNKNOWN_LEAST_SECONDS

    @property
    def shown(self) -> str:
        """Its public id."""
        raise NotImplementedError

    @property
    def channel(self) -> str:
        """What it is counted under."""
        raise NotImplementedError

    @property
    def driver_name(self) -> str:
        """The driver's key; `none` for what goes nowhere."""
        return self.route.driver_name if self.route else "none"

    @property
    def server(self) -> str | None:
        """The host that is called, for traces."""
        return None

    @property
    def route(self) -> Route | None:
        """The way's."""
        return self.way.route if self.way else None

    def attempt(self) -> dict[str, Any]:
        """What `claim.begin` writes before the call."""
        return {
            "id": self.claim.id,
            "fence": self.claim.fence,
            "attempt_id": self.attempt_id,
            "provider_id": self.route and self.route.provider_id,
            "provider_name": self.route and self.route.provider_name,
            "driver": None if self.driver_name == "none" else self.driver_name,
            "shadow": self.shadow,
            "route": self.way and self.way.explained(),
        }

    def send(self, timeout: float) -> Answer | Shadowed:
        """Make the call once within `timeout` seconds, or only say what it would be."""
        raise NotImplementedError


class Fate(StrEnum):
    """What becomes of a claimed row that cannot go now: its lane or it alone waits, it is put off
    for its user, it is held until somebody decides, or it ends."""

    PARK = "park"
    WAIT = "wait"
    DEFER = "defer"
    HOLD = "hold"
    FAIL = "fail"
    EXPIRE = "expire"
    SUPPRESS = "suppress"


@dataclass(frozen=True, slots=True)
class Stuck:
    """A claimed row that cannot go; `seconds` is for how long at least, or `until` till when, where
    that is known."""

    claim: Claim
    reason: str
    fate: Fate
    seconds: float = 0
    detail: str = ""
    until: datetime | None = None
