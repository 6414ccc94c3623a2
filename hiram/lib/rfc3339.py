"""Moments as text: RFC 3339, in UTC on the way out."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_SHAPE = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)


def parse(text: str) -> datetime:
    """The moment, in UTC.

    Raises:
        ValueError: no RFC 3339 date-time with an offset, finer than microseconds, or a leap second.
    """
    if _SHAPE.fullmatch(text) is None or text[11:13] == "24":
        raise ValueError("must be a date and time with an offset, such as 2026-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a date and time that exists") from error


def show(moment: datetime) -> str:
    """The moment with microseconds and a `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def show_if(moment: datetime | None) -> str | None:
    """The moment as text, or None."""
    return None if moment is None else show(moment)
