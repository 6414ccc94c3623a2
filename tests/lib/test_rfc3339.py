"""Times as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.rfc3339 import parse, show, show_if

zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
# Away from both ends, where another offset would be another year than there is.
moments = st.datetimes(timezones=zones).filter(lambda moment: 1 < moment.year < 9999)


@given(moment=moments)
def test_what_is_shown_is_parsed(moment: datetime) -> None:
    shown = show(moment)
    assert (len(shown), shown[-1], shown[19]) == (27, "Z", ".")
    assert parse(shown) == moment
    assert parse(shown).tzinfo is UTC
    assert parse(moment.isoformat()) == moment


@given(one=moments, two=moments)
def test_shown_times_sort_as_they_are(one: datetime, two: datetime) -> None:
    assert (show(one) < show(two)) == (one < two)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.5+02:00", datetime(2026, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2024-02-29T23:59:59-00:00", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_times_are_read(text: str, moment: datetime) -> None:
    assert parse(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "20260131T120000Z",
        "2026-01-31T12:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-06-30T23:59:60Z",
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+2:00", "2026-01-31T12:00:00.1234567Z", "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00Z\n", " 2026-01-31T12:00:00Z", "2026-01-31T12:00:00 02:00",
        "\uff12026-01-31T12:00:00Z", "-2026-01-31T12:00:00Z", "2026-W05-6T12:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse(text)


def test_none_stays_none() -> None:
    assert show_if(None) is None
    assert show_if(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000000Z"
