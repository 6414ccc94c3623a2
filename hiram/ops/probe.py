"""Asking what may hang, without ever hanging."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Late(Exception):
    """There was no answer in time."""


class Probe(Generic[T]):
    """Looks at something in a thread of its own, at most once a `period`, however often asked.

    A look that hangs is never joined by a second one: until it ends, everybody is told at once
    that it is late.
    """

    def __init__(self, look: Callable[[], T], *, period: float = 1.0, patience: float = 1.0):
        """Both in seconds; a look has `patience`."""
        self._look = look
        self._period = period
        self._patience = patience
        self._changed = threading.Condition()
        self._began: float | None = None
        self._ended = -period
        self._found: T | None = None
        self._error: Exception | None = None

    def ask(self) -> T:
        """What the last look found, or a new one finds.

        Raises:
            Late: no answer within `patience`.
            Exception: the look's own.
        """
        with self._changed:
            if self._began is None and time.monotonic() - self._ended >= self._period:
                self._began = time.monotonic()
                threading.Thread(target=self._run, name="probe", daemon=True).start()
            if self._began is not None:
                left = self._began + self._patience - time.monotonic()
                if not self._changed.wait_for(lambda: self._began is None, max(0.0, left)):
                    raise Late
            if self._error is not None:
                raise self._error
            return self._found  # type: ignore[return-value]

    def _run(self) -> None:
        found: T | None = None
        error: Exception | None = None
        try:
            found = self._look()
        except Exception as raised:
            error = raised
        with self._changed:
            self._found, self._error = found, error
            self._began, self._ended = None, time.monotonic()
            self._changed.notify_all()
