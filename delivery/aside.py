"""Aside: work that a process does in a thread beside its own, so that it keeps it from nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

logger = logging.getLogger(__name__)


class Aside:
    """A thread that works in steps when it is asked to, until there is nothing to do.

    After each step it rests as long as that took.
    """

    def __init__(self, name: str, step: Callable[[], bool]) -> None:
        """`step` says whether there is more to do at once."""
        self._name, self._step = name, step
        self._asked = threading.Event()
        self._rest = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Have done what is due. Returns at once."""
        self._asked.set()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while self._asked.wait():
            self._asked.clear()
            close_old_connections()
            try:
                self._work()
            except (DatabaseError, InterfaceError) as error:
                # What was not done is still due.
                logger.warning("cannot do %s: %s", self._name, type(error).__name__)
                connection.close()

    def _work(self) -> None:
        began = time.monotonic()
        while self._step():
            self._rest.wait(time.monotonic() - began)
            began = time.monotonic()
