"""Seen: who says what they looked at changes that, and not what somebody else made of it since."""

from __future__ import annotations

from typing import Any

from hiram.lib.problems import Problem

MEANWHILE = "Somebody else has changed it meanwhile. Look at it again: nothing was saved."


def mark(row: Any) -> str:
    """What is another after each change of a row with `updated_at`; "" while there is no row."""
    return "" if row is None or row._state.adding else str(row.updated_at.isoformat())


def check_seen(row: Any, seen: str | None) -> None:
    """See that the row, which is locked, is what was looked at; None looked at nothing.

    Raises:
        Problem: 409 where it is not.
    """
    if seen is not None and seen != mark(row):
        raise Problem("conflict", MEANWHILE)
