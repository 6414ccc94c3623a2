"""Breaker: what a provider's answers say about its health. Pure: time is passed in.

Two things follow from bad answers. A provider that fails half of its calls is opened: it is not
called at all, then by one message at a time, until one passes. A provider that fails some of
them is given a smaller share of the messages, and gets it back slowly.

The numbers of the share are those of alphagov/notifications-api (50 errors in 60 s, 10 points, no
change within 15 min), where the volume is large; where it is small, a part of the last calls
counts instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

WINDOW_SECONDS = 60
OPENS_WITHIN_SECONDS = 10
CALLS_LEAST = 10
"""Where there were fewer calls in a window, the last ones before it count too..."""

OLDEST_SECONDS = 3_600
"""... back to here. So a tenant with 20 mails an hour is judged by its last ten."""

OPENS_ERRORS = 5
OPENS_RATE = 0.5
SLOW_SECONDS = 10
"""A call that takes longer is held against the provider even if it succeeds."""

OPEN_SECONDS = 5
OPEN_MOST_SECONDS = 40
"""It is probed again soon, so that all is sent within a minute after it is back."""

SHIFTS_ERRORS, SHIFTS_RATE = 50, 0.05
SHIFTS_ERRORS_FEW, SHIFTS_RATE_FEW = 3, 0.2
POINTS = 10
SHARE_LEAST = 10
SETTLED_SECONDS = 900


class Trouble(StrEnum):
    """Why a provider is open."""

    FAILING = "failing"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Pulse:
    """How some calls went: what failed or had no answer is bad; slow may be either."""

    good: int = 0
    bad: int = 0
    slow: int = 0

    @property
    def calls(self) -> int:
        """All of them."""
        return self.good + self.bad


@dataclass(frozen=True, slots=True)
class Beat:
    """A pulse and when it was taken, in seconds of any one clock."""

    at: float
    calls: int
    bad: int
    slow: int


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a provider. `share` is in points of 100; times are in seconds."""

    window: tuple[Beat, ...] = ()
    open_until: float | None = None
    trouble: Trouble | None = None
    openings: int = 0
    closed_at: float | None = None
    share: int = 100
    share_changed_at: float | None = None

    @property
    def is_degraded(self) -> bool:
        """Whether it gets less than it would."""
        return self.open_until is not None or self.share < 100


def after(health: Health, pulse: Pulse, at: float) -> Health:
    """What is known after these calls."""
    if health.open_until is not None:
        if at < health.open_until or not pulse.calls:
            return health  # calls that began before it was opened say nothing new
        return _probed(health, pulse, at)
    window = _kept((*health.window, Beat(at, pulse.calls, pulse.bad, pulse.slow)), at)
    health = replace(health, window=window)
    if trouble := _trouble(window, at):
        return _open(health, trouble, at)
    if _errs(window, at) and health.share > SHARE_LEAST and _is_settled(health, at):
        return replace(health, share=health.share - POINTS, share_changed_at=at)
    return health


def drift(health: Health, at: float) -> Health:
    """What follows from time alone: a share that was taken away comes back, and an open provider
    that nothing was sent to for long has the benefit of the doubt."""
    if health.open_until is not None:
        unused = at - health.open_until >= SETTLED_SECONDS
        return _close(health, at) if unused else health
    errs = _errs(_kept(health.window, at), at)
    if health.share < 100 and not errs and _is_settled(health, at):
        return replace(health, share=min(100, health.share + POINTS), share_changed_at=at)
    return health


def _probed(health: Health, pulse: Pulse, at: float) -> Health:
    slow = health.trouble is Trouble.SLOW and pulse.slow
    if pulse.bad or slow:
        return _open(health, health.trouble or Trouble.FAILING, at)
    return _close(health, at)


def _open(health: Health, trouble: Trouble, at: float) -> Health:
    rests = health.closed_at is None or at - health.closed_at < SETTLED_SECONDS
    openings = (health.openings if rests else 0) + 1
    wait = min(OPEN_SECONDS * 2 ** min(openings - 1, 10), OPEN_MOST_SECONDS)
    share, changed_at = health.share, health.share_changed_at
    if changed_at is not None and at - changed_at <= WINDOW_SECONDS and share < 100:
        # That was the beginning of this trouble, and is not to outlast it.
        share, changed_at = share + POINTS, None
    return replace(
        health,
        window=(),
        open_until=at + wait,
        trouble=trouble,
        openings=openings,
        closed_at=None,
        share=share,
        share_changed_at=changed_at,
    )


def _close(health: Health, at: float) -> Health:
    return replace(health, window=(), open_until=None, trouble=None, closed_at=at)


def _is_settled(health: Health, at: float) -> bool:
    return health.share_changed_at is None or at - health.share_changed_at >= SETTLED_SECONDS


def _trouble(window: Iterable[Beat], at: float) -> Trouble | None:
    calls, bad, slow = _tally(window, at, OPENS_WITHIN_SECONDS)
    if bad >= OPENS_ERRORS and bad >= calls * OPENS_RATE:
        return Trouble.FAILING
    if slow >= OPENS_ERRORS and slow >= calls * OPENS_RATE:
        return Trouble.SLOW
    return None


def _errs(window: Iterable[Beat], at: float) -> bool:
    """Whether it fails often enough to be given less."""
    calls, bad, _ = _tally(window, at, WINDOW_SECONDS)
    many = bad >= SHIFTS_ERRORS and bad >= calls * SHIFTS_RATE
    few = bad >= SHIFTS_ERRORS_FEW and bad >= calls * SHIFTS_RATE_FEW and calls >= CALLS_LEAST
    return many or few


def _tally(window: Iterable[Beat], at: float, seconds: float) -> tuple[int, int, int]:
    """Calls, bad and slow ones in the last seconds, or of the last calls where these are few."""
    calls = bad = slow = 0
    for beat in sorted(window, key=lambda beat: -beat.at):
        if at - beat.at > seconds and calls >= CALLS_LEAST:
            break
        calls, bad, slow = calls + beat.calls, bad + beat.bad, slow + beat.slow
    return calls, bad, slow


def _kept(window: Iterable[Beat], at: float) -> tuple[Beat, ...]:
    """What may still count, the beats of one second put together."""
    merged: dict[int, Beat] = {}
    calls = 0
    for beat in sorted(window, key=lambda beat: -beat.at):
        age = at - beat.at
        if age > OLDEST_SECONDS or (age > WINDOW_SECONDS and calls >= CALLS_LEAST):
            break
        calls += beat.calls
        old = merged.get(int(beat.at))
        merged[int(beat.at)] = (
            Beat(old.at, old.calls + beat.calls, old.bad + beat.bad, old.slow + beat.slow)
            if old
            else beat
        )
    return tuple(reversed(merged.values()))
