"""Choice: in which order a message's providers are to be asked, and why. Pure.

Chance is passed in. Whether the first one really can (its rate, its probe, its credentials) is
found out by who goes through the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from uuid import UUID

Chance = Callable[[], float]


class Standing(StrEnum):
    """Whether a provider can be called."""

    USABLE = "usable"
    HALF_OPEN = "half_open"
    PROBING = "probing"
    FAILING = "failing"
    SLOW = "slow"
    PAUSED = "paused"
    DISABLED = "disabled"


ABLE = (Standing.USABLE, Standing.HALF_OPEN)


class Reason(StrEnum):
    """Why a message went through this provider; `route.reason` of an attempt."""

    SCOPED = "scoped"
    ONLY_PROVIDER = "only_provider"
    PRIMARY = "primary"
    WEIGHTED = "weighted"
    SHIFTED = "shifted"
    FAILOVER = "failover"
    PROBE = "probe"
    AFTER_UNKNOWN = "after_unknown"
    LAST_RESORT = "last_resort"
    SIMULATOR = "simulator"


REFUSED, LIMITED, UNREADABLE = "refused", "limited", "unreadable"
DELETED, SENDER_NOT_ALLOWED = "deleted", "sender_not_allowed"
"""Why a provider was passed over, besides its standing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that may carry the message. A lower `priority` comes first; before all the one
    that is chosen for the message's user, organisation or app."""

    id: UUID
    name: str
    priority: int
    weight: int
    share: int
    standing: Standing
    is_scoped: bool = False

    def scoped(self) -> Candidate:
        """The same as the chosen one: no priority comes before it, none takes a share of it."""
        return replace(self, is_scoped=True, priority=-1, share=100)


@dataclass(frozen=True, slots=True)
class Past:
    """What the message's attempts so far say: how often each provider surely did not take it,
    and which one may have (None where that is not one of the tenant's)."""

    refusals: Counter[UUID]
    doubtful: UUID | None = None
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One candidate, and why it comes where it comes."""

    candidate: Candidate
    reason: Reason
    passed_over: tuple[tuple[str, str], ...]


def choices(candidates: Sequence[Candidate], past: Past, chance: Chance) -> list[Choice]:
    """The candidates that can be called, in the order in which to ask them.

    What may have been taken goes to the same provider again, which knows it. What one provider
    refused is tried with those that refused it less. Otherwise priority decides, then weight; a
    provider with a smaller share leaves that part of its messages to the next. One that is only
    slow is called when no other is left.
    """
    able = [c for c in candidates if c.standing in ABLE]
    ranked = _ranked(able, past, chance)
    ranked.sort(key=lambda candidate: candidate.id != past.doubtful)
    slow = _ranked([c for c in candidates if c.standing is Standing.SLOW], past, chance)
    return [
        *(_explained(c, candidates, past) for c in ranked),
        *(Choice(c, Reason.LAST_RESORT, _passed_over(c, candidates, past)) for c in slow),
    ]


def _ranked(able: Iterable[Candidate], past: Past, chance: Chance) -> list[Candidate]:
    ranked: list[Candidate] = []

    def refusals(candidate: Candidate) -> int:
        return past.refusals[candidate.id]

    for _, equals in groupby(sorted(able, key=refusals), key=refusals):
        tiers = groupby(sorted(equals, key=attrgetter("priority")), key=attrgetter("priority"))
        ranked += _shifted([_drawn(list(tier), chance) for _, tier in tiers], chance)
    return ranked


def _drawn(tier: list[Candidate], chance: Chance) -> list[Candidate]:
    """By weight: drawn without putting back (Efraimidis and Spirakis, 2006)."""
    return sorted(tier, key=lambda c: -(chance() ** (1 / max(1, c.weight * c.share))))


def _shifted(tiers: list[list[Candidate]], chance: Chance) -> list[Candidate]:
    """All tiers' candidates; a tier whose share is not full lets the next one go before it."""
    order: list[list[Candidate]] = []
    for tier in tiers:
        before = order[-1] if order else None
        if before and chance() * 100 >= max(c.share for c in before):
            order.insert(len(order) - 1, tier)
        else:
            order.append(tier)
    return [candidate for tier in order for candidate in tier]


def _explained(chosen: Candidate, candidates: Sequence[Candidate], past: Past) -> Choice:
    passed_over = _passed_over(chosen, candidates, past)
    return Choice(chosen, _reason(chosen, candidates, past, bool(passed_over)), passed_over)


def _reason(
    chosen: Candidate, candidates: Sequence[Candidate], past: Past, passed_over: bool
) -> Reason:
    if chosen.id == past.doubtful:
        return Reason.AFTER_UNKNOWN
    if chosen.standing is Standing.HALF_OPEN:
        return Reason.PROBE
    if chosen.is_scoped:
        return Reason.SCOPED
    if len(candidates) == 1:
        return Reason.ONLY_PROVIDER
    if passed_over:
        return Reason.FAILOVER
    if any(c.priority < chosen.priority for c in candidates):
        return Reason.SHIFTED
    peers = sum(c.priority == chosen.priority for c in candidates)
    return Reason.WEIGHTED if peers > 1 else Reason.PRIMARY


def _passed_over(
    chosen: Candidate, candidates: Sequence[Candidate], past: Past
) -> tuple[tuple[str, str], ...]:
    """Who would have come before or beside it, and why not."""
    found = []
    for other in candidates:
        if other.id == chosen.id or other.priority > chosen.priority:
            continue
        if other.standing not in ABLE:
            found.append((other.name, str(other.standing)))
        elif past.refusals[other.id] > past.refusals[chosen.id]:
            found.append((other.name, REFUSED))
    return tuple(found)
