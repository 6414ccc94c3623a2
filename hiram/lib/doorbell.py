"""The doorbell: says "look now" to the relay without ever delaying the one who rings.

`ring()` sets a flag. One daemon thread coalesces the rings and calls what was bound, which may
fail or be slow: the beat's next sweep finds the same rows a second later.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

REST_SECONDS = 0.02
"""The pause after a press. It doubles while many rings come in it, and begins anew when few do:
under load the workers look on their own, and the bell only costs."""

REST_MOST_SECONDS = 0.32
MANY_RINGS = 8


class Doorbell:
    """Rings are coalesced: any number between two calls of `press` become one."""

    def __init__(self) -> None:
        """Start silent: without `bind`, ringing does nothing."""
        self._press: Callable[[], None] | None = None
        self._rung = threading.Event()
        self._rings = 0
        self._lock = threading.Lock()
        self._pid = 0
        self._failing = False
        self._silent = threading.Event()

    def bind(self, press: Callable[[], None]) -> None:
        """Say what carries the ring to the relay; called by `hiram.celery` at start."""
        self._press = press

    def ring(self) -> None:
        """Ask for a look. Never blocks, never raises."""
        if self._press is None:
            return
        self._rings += 1  # threads may lose one of another's: a hint is enough
        self._rung.set()
        if self._pid != os.getpid():
            self._start()

    def _start(self) -> None:
        # A thread does not survive a fork, so each process starts its own at its first ring.
        with self._lock:
            if self._pid == os.getpid():
                return
            threading.Thread(target=self._carry, name="doorbell", daemon=True).start()
            self._pid = os.getpid()

    def _carry(self) -> None:
        rest = REST_SECONDS
        while True:
            self._rung.wait()
            self._rung.clear()
            self._rings = 0
            self._try()
            self._silent.wait(rest)
            rest = min(2 * rest, REST_MOST_SECONDS) if self._rings >= MANY_RINGS else REST_SECONDS

    def _try(self) -> None:
        try:
            if self._press is not None:
                self._press()
            self._failing = False
        except Exception as error:
            if not self._failing:
                logger.warning("doorbell unheard, the next sweep will find the work: %r", error)
            self._failing = True


doorbell = Doorbell()
