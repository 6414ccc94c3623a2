"""Quiet hours and send windows: by the clock on the wall, through every change of it."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifications import quiet
from notifications.quiet import DAYS, deferred_until, leaves_a_moment, next_allowed, zone_of

NIGHT = {"start": "22:00", "end": "07:00"}
MINUTE = timedelta(minutes=1)
ZONES = sorted(zoneinfo.available_timezones())
TURNING = [
    "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "America/St_Johns",
    "Africa/Casablanca", "Asia/Kolkata", "Asia/Kathmandu", "UTC", "Pacific/Apia",
    "Pacific/Chatham", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Etc/GMT+12",
]  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


clock = st.integers(0, 1439).map(lambda m: f"{m // 60:02}:{m % 60:02}")
round_clock = st.integers(0, 47).map(lambda h: f"{h // 2:02}:{h % 2 * 30:02}")
clocks = st.one_of(clock, round_clock)
spans = st.fixed_dictionaries({"start": clocks, "end": clocks})
windows = st.lists(
    st.fixed_dictionaries(
        {"days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
         "start": clocks, "end": clocks}
    ),
    max_size=3,
)  # fmt: skip
moments = st.datetimes(
    utc("2010-01-01").replace(tzinfo=None), utc("2037-12-01").replace(tzinfo=None),
    timezones=st.just(UTC),
)  # fmt: skip


def in_span(minute: int, start: str, end: str) -> bool:
    first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (start, end))
    return first <= minute < last if first < last else minute >= first or minute < last


def allowed(at: datetime, zone: str, hours: Any, sends: Any) -> bool:
    """As somebody says it who looks at the clock and the calendar."""
    wall = at.astimezone(zoneinfo.ZoneInfo(zone))
    minute = wall.hour * 60 + wall.minute
    if hours and hours["start"] != hours["end"] and in_span(minute, hours["start"], hours["end"]):
        return False
    return not sends or any(_open(wall.weekday(), minute, window) for window in sends)


def _open(weekday: int, minute: int, window: Any) -> bool:
    days = {DAYS.index(day) for day in window["days"]}
    first, last = (int(window[n][:2]) * 60 + int(window[n][3:]) for n in ("start", "end"))
    if first < last:
        return weekday in days and first <= minute < last
    # It goes on into the next day.
    return (weekday in days and minute >= first) or ((weekday - 1) % 7 in days and minute < last)


def slowly(at: datetime, zone: str, hours: Any, sends: Any, days: int) -> datetime | None:
    """Minute by minute."""
    if allowed(at, zone, hours, sends):
        return at
    at = at.replace(second=0, microsecond=0) + MINUTE
    for _ in range(days * 1440):
        if allowed(at, zone, hours, sends):
            return at
        at += MINUTE
    return None


def turns(zone: str, year: int) -> list[datetime]:
    """When the clocks of a zone change in a year."""
    found, at = [], datetime(year, 1, 1, tzinfo=UTC)
    while at.year == year and (change := quiet._change(zone_of(zone), at, at + timedelta(400))):
        found.append(change)
        at = change
    return [at for at in found if at.year == year]


class TestExamples:
    @pytest.mark.parametrize(
        ("at", "zone", "expected"),
        [
            ("2026-01-10T12:00", "UTC", "2026-01-10T12:00"),
            ("2026-01-10T21:59:59", "UTC", "2026-01-10T21:59:59"),
            ("2026-01-10T22:00", "UTC", "2026-01-11T07:00"),
            ("2026-01-10T06:59:59.999999", "UTC", "2026-01-10T07:00"),
            ("2026-01-10T21:00", "Europe/Vienna", "2026-01-11T06:00"),
            ("2026-07-10T20:00", "Europe/Vienna", "2026-07-11T05:00"),
            # The nights in which the clocks change: an hour less, an hour more.
            ("2026-03-28T21:30", "Europe/Vienna", "2026-03-29T05:00"),
            ("2026-10-24T20:30", "Europe/Vienna", "2026-10-25T06:00"),
            ("2026-03-08T04:00", "America/New_York", "2026-03-08T11:00"),
            ("2026-01-10T17:00", "Asia/Kolkata", "2026-01-11T01:30"),
            ("2026-01-10T23:00", "No/Such", "2026-01-11T07:00"),
            ("2026-01-10T23:00", "", "2026-01-11T07:00"),
            ("2026-01-10T23:00", "../etc", "2026-01-11T07:00"),
        ],
    )
    def test_a_night(self, at: str, zone: str, expected: str) -> None:
        assert next_allowed(utc(at), zone, NIGHT) == utc(expected)

    def test_quiet_that_ends_in_a_skipped_hour_ends_with_the_jump(self) -> None:
        hours = {"start": "22:00", "end": "02:30"}
        assert next_allowed(utc("2026-03-29T00:30"), "Europe/Vienna", hours) == utc(
            "2026-03-29T01:00"
        )

    def test_quiet_in_an_hour_that_is_shown_twice_is_quiet_twice(self) -> None:
        hours = {"start": "02:00", "end": "02:30"}
        first, second = utc("2026-10-25T00:00"), utc("2026-10-25T01:00")
        for begin in (first, second):
            assert next_allowed(begin, "Europe/Vienna", hours) == begin + timedelta(minutes=30)
        assert next_allowed(first + timedelta(minutes=40), "Europe/Vienna", hours).minute == 40

    def test_a_window_in_a_skipped_hour_is_that_of_the_next_week(self) -> None:
        window = [{"days": ["sun"], "start": "02:10", "end": "02:50"}]
        found = next_allowed(utc("2026-03-28T12:00"), "Europe/Vienna", None, window)
        assert found == utc("2026-04-05T00:10")

    def test_a_window_reopens_when_the_clock_goes_back_into_it(self) -> None:
        window = [{"days": ["sun"], "start": "01:00", "end": "02:30"}]
        found = next_allowed(utc("2026-10-25T00:40"), "Europe/Vienna", None, window)
        assert found == utc("2026-10-25T01:00")

    def test_a_day_that_does_not_exist(self) -> None:
        window = [{"days": ["fri"], "start": "09:00", "end": "10:00"}]
        found = next_allowed(utc("2011-12-29T20:00"), "Pacific/Apia", None, window)
        assert found.astimezone(zoneinfo.ZoneInfo("Pacific/Apia")).isoformat() == (
            "2012-01-06T09:00:00+14:00"
        )

    def test_windows_of_workdays(self) -> None:
        window = [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00"}]
        assert next_allowed(utc("2026-01-10T12:00"), "UTC", None, window) == utc(
            "2026-01-12T09:00"
        )
        assert next_allowed(utc("2026-01-12T09:30"), "UTC", None, window) == utc(
            "2026-01-12T09:30"
        )

    def test_a_window_past_midnight_is_of_the_day_it_begins_on(self) -> None:
        window = [{"days": ["sat"], "start": "22:00", "end": "02:00"}]
        sunday = utc("2026-01-11T01:59")
        assert next_allowed(sunday, "UTC", None, window) == sunday
        assert next_allowed(sunday + MINUTE, "UTC", None, window) == utc("2026-01-17T22:00")

    def test_the_same_start_and_end(self) -> None:
        at = utc("2026-01-10T03:00")
        assert next_allowed(at, "UTC", {"start": "03:00", "end": "03:00"}) == at
        all_day = [{"days": ["sun"], "start": "06:00", "end": "06:00"}]
        assert next_allowed(at, "UTC", None, all_day) == utc("2026-01-11T06:00")
        assert next_allowed(utc("2026-01-12T05:59"), "UTC", None, all_day) == utc(
            "2026-01-12T05:59"
        )

    def test_what_never_is_allowed_does_not_wait_for_ever(self) -> None:
        at = utc("2026-01-10T03:00")
        window = [{"days": [*DAYS], "start": "23:00", "end": "23:30"}]
        assert next_allowed(at, "UTC", NIGHT, window) == at
        assert not leaves_a_moment(NIGHT, window)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ZONES), moments, spans, windows)
def test_it_is_allowed_and_never_in_the_past(
    zone: str, at: datetime, hours: Any, sends: Any
) -> None:
    found = next_allowed(at, zone, hours, sends)
    assert found >= at
    if leaves_a_moment(hours, sends):
        assert allowed(found, zone, hours, sends)
        assert found - at < timedelta(days=22)
        assert next_allowed(found, zone, hours, sends) == found
    else:
        assert found == at


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(TURNING),
    st.integers(2024, 2030),
    st.integers(0, 3),
    st.timedeltas(timedelta(hours=-30), timedelta(hours=6)),
    st.one_of(st.none(), spans),
    st.lists(windows.filter(bool).map(lambda w: w[0]), max_size=2),
)
@example("Australia/Lord_Howe", 2026, 0, timedelta(hours=-3), NIGHT, [])
def test_around_a_change_it_is_what_somebody_finds_who_watches_the_clock(
    zone: str, year: int, nth: int, before: timedelta, hours: Any, sends: Any
) -> None:
    changes = turns(zone, year) or [utc(f"{year}-03-29T01:00")]
    at = changes[nth % len(changes)] + before
    found, watched = next_allowed(at, zone, hours, sends), slowly(at, zone, hours, sends, 3)
    if watched is not None:
        assert found == watched
    elif leaves_a_moment(hours, sends):
        assert found > at + timedelta(days=3) - MINUTE


class TestDeferred:
    AT = utc("2026-01-10T23:00")

    def until(
        self, priority: str = "normal", category: str = "transactional", **given: Any
    ) -> Any:
        given = {"timezone": "UTC", "fallback": "UTC", "quiet_hours": NIGHT} | given
        return deferred_until(self.AT, priority=priority, category=category, **given)

    @pytest.mark.parametrize("category", ["transactional", "operational"])
    def test_high_waits_for_nobody(self, category: str) -> None:
        assert self.until("high", category) is None

    @pytest.mark.parametrize(
        ("priority", "category"),
        [("normal", "transactional"), ("bulk", "operational"), ("high", "marketing")],
    )
    def test_the_others_wait(self, priority: str, category: str) -> None:
        assert self.until(priority, category) == utc("2026-01-11T07:00")

    def test_without_wishes_or_by_day_nothing_waits(self) -> None:
        assert self.until(quiet_hours=None) is None
        assert self.until(quiet_hours={"start": "01:00", "end": "02:00"}) is None

    def test_the_tenants_zone_where_the_users_is_not_known(self) -> None:
        for unknown in (None, "", "No/Such"):
            found = self.until(timezone=unknown, fallback="Asia/Kolkata")
            assert found == utc("2026-01-11T01:30")
        assert self.until(timezone="Asia/Tokyo", fallback="UTC") is None
