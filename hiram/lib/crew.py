"""A crew: a few threads, of which the one that began to rest last is the next to work.

In turn they would all be kept busy by little work, each with a connection of its own: as many
processes of PostgreSQL would wake by turns, and none find its caches warm.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

Job: TypeAlias = Callable[[], None]


class Crew:
    """Does what it is given in the order of the giving."""

    def __init__(self, threads: int, name: str) -> None:
        """`start` starts so many threads, called `name` and a number."""
        self._names = [f"{name}-{number}" for number in range(threads)]
        self._lock = threading.Lock()
        self._resting: list[SimpleQueue[Job | None]] = []
        self._waiting: deque[Job] = deque()
        self._over = False

    def start(self) -> None:
        """Start the threads, in the process that will use them."""
        for name in self._names:
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def do(self, job: Job) -> None:
        """Have it done, by a thread that rests or else by the first that is free. Must not raise."""
        with self._lock:
            if not self._resting:
                self._waiting.append(job)
                return
            next_ = self._resting.pop()
        next_.put(job)

    def stop(self) -> None:
        """End each thread when nothing is left to do; returns at once."""
        with self._lock:
            self._over = True
            resting, self._resting = self._resting, []
        for one in resting:
            one.put(None)

    def _work(self) -> None:
        mine: SimpleQueue[Job | None] = SimpleQueue()
        while (job := self._next(mine)) is not None:
            job()

    def _next(self, mine: SimpleQueue[Job | None]) -> Job | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._over:
                return None
            self._resting.append(mine)
        return mine.get()
