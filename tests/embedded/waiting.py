"""Wait for something to become true, never for time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 15) -> T:
    """The condition's first true value.

    Raises:
        AssertionError: it stayed false.
    """
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < limit, "it did not happen in time"
        Event().wait(0.02)
    return value


def lives(pid: int) -> bool:
    """Whether the process runs: neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
