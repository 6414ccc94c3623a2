"""Policy: what a tenant decides for each category of its notifications. Pure.

What a tenant has not decided is as `DEFAULTS` has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

RETRY_STEPS_SECONDS = (4, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200)
"""Waits between tries; the last one repeats until the notification expires. The shape is that of
mail queues: quick against a hiccup, patient against an outage."""

PATIENT_STEPS_SECONDS = (30, 300, 1_800, 7_200, 21_600, 43_200)
"""For what nobody waits for: it leaves a provider in trouble to those for whom somebody does."""


class OnUnknown(StrEnum):
    """What follows a call whose answer was lost, so that the provider may have taken it.

    retry: send again, a minute later at the earliest; a duplicate is possible. hold: send nothing
    until somebody releases or drops it. verify: ask the provider first, and hold where it cannot
    be asked.
    """

    RETRY = "retry"
    HOLD = "hold"
    VERIFY = "verify"


class MissedRun(StrEnum):
    """What follows when Hiram could not begin a scheduled notification at its time."""

    SEND = "send"
    DROP = "drop"
    SEND_WITHIN_SECONDS = "send_within_seconds"


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one category, or of another thing that is owed.

    `ttl_seconds` and `retain_seconds` are None where the installation's default holds; `tries_most`
    where it is tried until it expires. Nobody can opt out of what is `required`.
    """

    retry_steps_seconds: tuple[int, ...] = RETRY_STEPS_SECONDS
    ttl_seconds: int | None = None
    on_unknown: OnUnknown = OnUnknown.RETRY
    missed_run: MissedRun = MissedRun.SEND
    send_within_seconds: int | None = None
    retain_seconds: int | None = None
    required: bool = False
    tries_most: int | None = None

    def misses(self, late_seconds: float) -> bool:
        """Whether it is too late for what is so much behind its `scheduled_at`."""
        match self.missed_run:
            case MissedRun.DROP:
                return late_seconds > LATE_SECONDS
            case MissedRun.SEND_WITHIN_SECONDS:
                return late_seconds > (self.send_within_seconds or 0)
            case _:
                return False


LATE_SECONDS = 60
"""A scheduled notification that begins no later is on time: a busy minute misses no run."""

DEFAULTS: Mapping[str, Policy] = {
    "transactional": Policy(),
    "operational": Policy(),
    "marketing": Policy(PATIENT_STEPS_SECONDS, on_unknown=OnUnknown.HOLD),
}


def policy(category: str, decided: Mapping[str, Any]) -> Policy:
    """The category's rules, with what the tenant has decided; None is not decided."""
    own = {name: value for name, value in decided.items() if value is not None}
    if not own:
        return DEFAULTS[category]
    if "retry_steps_seconds" in own:
        own["retry_steps_seconds"] = tuple(own["retry_steps_seconds"])
    for name, kind in (("on_unknown", OnUnknown), ("missed_run", MissedRun)):
        if name in own:
            own[name] = kind(own[name])
    return replace(DEFAULTS[category], **own)


def show(rules: Policy) -> dict[str, Any]:
    """The rules that a tenant may decide, as the API shows them."""
    shown = asdict(rules) | {"retry_steps_seconds": list(rules.retry_steps_seconds)}
    del shown["tries_most"]
    return shown
