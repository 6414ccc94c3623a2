"""Quiet: when somebody wants to be left alone, by the clock on their wall. Pure.

Quiet hours and send windows put a notification off, they never drop it. Both are in minutes of a
day where the user is, so what counts is what the clock shows: an hour that it skips in spring is
neither quiet nor open, one that it shows twice in autumn is both times what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY = timedelta(days=1)
_STEP = timedelta(hours=6)
_AHEAD = 8
"""Days in which everything that comes back weekly has come back."""

_TURNS = 12
"""Changes of the clock that are looked past: a weekly window may lie in an hour that is skipped."""


@dataclass(frozen=True, slots=True)
class Span:
    """From one minute of the day to another, past midnight where `end` is not after `start`.

    It belongs to the day on which it begins. `days` counts from Monday as 0.
    """

    start: int
    end: int
    days: frozenset[int] = frozenset(range(7))

    @property
    def minutes(self) -> int:
        """How long it is; from a minute to the same one it is a whole day."""
        return (self.end - self.start) % 1440 or 1440

    def on(self, day: date) -> tuple[datetime, datetime] | None:
        """The span that begins on this day, if one does."""
        if day.weekday() not in self.days:
            return None
        begin = datetime.combine(day, datetime.min.time()) + timedelta(minutes=self.start)
        return begin, begin + timedelta(minutes=self.minutes)

    def holds(self, wall: datetime) -> bool:
        """Whether the clock that shows `wall` is in it."""
        days = (wall.date(), wall.date() - _DAY)
        return any(s[0] <= wall < s[1] for s in map(self.on, days) if s)


@dataclass(frozen=True, slots=True)
class Rules:
    """Not in `quiet`, and if there are `windows`, only in one of them."""

    quiet: Span | None = None
    windows: tuple[Span, ...] = ()

    def allow(self, wall: datetime) -> bool:
        """Whether something may be sent while the clock shows `wall`."""
        if self.quiet is not None and self.quiet.holds(wall):
            return False
        return not self.windows or any(window.holds(wall) for window in self.windows)

    def first(self, wall: datetime) -> datetime | None:
        """The first such time of the clock at or after `wall`; None where there is never one."""
        if self.allow(wall):
            return wall
        spans = [span for n in range(-1, _AHEAD) for span in self._spans(wall.date() + n * _DAY)]
        later = sorted({at for at in spans if at > wall})
        return next((at for at in later if self.allow(at)), None)

    def _spans(self, day: date) -> list[datetime]:
        """When something may begin to be allowed: as a window opens, or the quiet ends."""
        opens = [span[0] for span in (window.on(day) for window in self.windows) if span]
        quiet = self.quiet.on(day) if self.quiet else None
        return [*opens, *([quiet[1]] if quiet else [])]


def rules(
    quiet_hours: Mapping[str, str] | None, send_windows: Sequence[Mapping[str, Any]] = ()
) -> Rules:
    """What is stored, as `Rules`; quiet hours from a time to the same time are none."""
    quiet = quiet_hours and Span(_minute(quiet_hours["start"]), _minute(quiet_hours["end"]))
    windows = tuple(
        Span(_minute(w["start"]), _minute(w["end"]), frozenset(map(DAYS.index, w["days"])))
        for w in send_windows
    )
    return Rules(quiet if quiet and quiet.start != quiet.end else None, windows)


def leaves_a_moment(
    quiet_hours: Mapping[str, str] | None, send_windows: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether there is any moment of the week at which something may be sent."""
    some_day = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    return rules(quiet_hours, send_windows).first(some_day) is not None


def next_allowed(
    at: datetime,
    timezone: str,
    quiet_hours: Mapping[str, str] | None,
    send_windows: Sequence[Mapping[str, Any]] = (),
) -> datetime:
    """The first moment at or after `at` at which the clock of the zone allows it.

    Where it never does (windows that lie in the quiet hours), that is `at`: nothing waits for ever.
    An unknown zone is UTC.
    """
    asked, zone, found = at, zone_of(timezone) or UTC, rules(quiet_hours, send_windows)
    for _ in range(_TURNS):
        # Until the next change the clock runs evenly, which makes it plain arithmetic.
        wall = (at + _offset(zone, at)).replace(tzinfo=None)
        shown = found.first(wall)
        if shown is None:
            return asked
        ready = at + (shown - wall)
        change = _change(zone, at, ready)
        if change is None:
            return ready
        at = change
    return asked


def deferred_until(  # noqa: PLR0913  (what accept knows of one notification)
    at: datetime,
    *,
    priority: str,
    category: str,
    timezone: str | None,
    fallback: str,
    quiet_hours: Mapping[str, str] | None,
    send_windows: Sequence[Mapping[str, Any]] = (),
) -> datetime | None:
    """Until when a notification that is due `at` waits for its user; None if it does not.

    `timezone` is the user's, `fallback` the tenant's where that is not known. High priority waits
    for nobody, except in marketing, where nothing is so urgent.
    """
    if not quiet_hours and not send_windows:
        return None
    if priority == "high" and category != "marketing":
        return None
    zone = timezone if timezone and zone_of(timezone) else fallback
    ready = next_allowed(at, zone, quiet_hours, send_windows)
    return ready if ready > at else None


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The IANA zone of this name, if there is one."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of names
        return None


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:5])


def _offset(zone: Any, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _change(zone: Any, at: datetime, until: datetime) -> datetime | None:
    """When first after `at`, and not after `until`, the zone's offset is another."""
    offset, seen = _offset(zone, at), at
    while seen < until:
        nearer = min(seen + _STEP, until)
        if _offset(zone, nearer) != offset:
            return _turn(zone, seen, nearer, offset)
        seen = nearer
    return None


def _turn(zone: Any, before: datetime, after: datetime, offset: timedelta) -> datetime:
    """The whole second at which it changes, between two moments."""
    begin = before.replace(microsecond=0)
    low, high = 0, -(-(after - begin) // timedelta(seconds=1))
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, begin + timedelta(seconds=middle)) == offset:
            low = middle
        else:
            high = middle
    return begin + timedelta(seconds=high)
