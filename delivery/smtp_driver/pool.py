"""Idle connections, kept for the next message of the same account."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict

from delivery.smtp_driver.line import Line

IDLE_SECONDS = 20.0
MAX_USES = 100
MAX_IDLE = 128

Key = tuple[str, str, int]
"""An account, its revision, and how often the pool was closed before."""


class Pool:
    """At most 128 idle connections, each kept for 20 s and for 100 messages, the last used first.

    A timer runs while there are any, so none outlives its time for want of traffic.
    """

    def __init__(self) -> None:
        self._era = 0
        self._lock = threading.Lock()
        self._idle: OrderedDict[Line, Key] = OrderedDict()
        self._timer: threading.Timer | None = None
        _pools.add(self)

    def key(self, account: str, revision: str) -> Key:
        """Under which connections of an account are kept, until `close`."""
        return (account, revision, self._era)

    def take(self, key: Key) -> Line | None:
        """A connection of `key`, if there is one; the server may have hung up on it meanwhile."""
        with self._lock:
            for line, its_key in reversed(self._idle.items()):
                if its_key == key:
                    del self._idle[line]
                    return line
        return None

    def put(self, key: Key, line: Line) -> None:
        """Keep `line` for the next message, unless `close` was called since `key` was made."""
        line.idle_since = time.monotonic()
        line.uses += 1
        with self._lock:
            kept = key[2] == self._era and line.uses < MAX_USES
            if kept:
                self._idle[line] = key
                self._arm()
            full = len(self._idle) > MAX_IDLE
            surplus = self._idle.popitem(last=False)[0] if full else None
        if not kept:
            line.hang_up()
        if surplus is not None:
            surplus.hang_up()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is put back."""
        with self._lock:
            self._era += 1
            lines = list(self._idle)
            self._idle.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for line in lines:
            line.hang_up()

    def forked(self) -> None:
        """In a child process: leave the parent's connections to the parent."""
        lines, self._idle = list(self._idle), OrderedDict()
        self._lock = threading.Lock()
        self._timer = None
        for line in lines:
            line.close()

    def _arm(self) -> None:
        if self._timer is not None or not self._idle:
            return
        oldest = next(iter(self._idle)).idle_since
        wait = max(0.01, oldest + IDLE_SECONDS - time.monotonic())
        timer = threading.Timer(wait, self._sweep)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:
            return  # no thread to be had: the message before has been sent all the same
        self._timer = timer

    def _sweep(self) -> None:
        oldest = time.monotonic() - IDLE_SECONDS
        with self._lock:
            lines = [line for line in self._idle if line.idle_since <= oldest]
            for line in lines:
                del self._idle[line]
            self._timer = None
            self._arm()
        for line in lines:
            line.hang_up()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _forked() -> None:
    for pool in list(_pools):
        pool.forked()


os.register_at_fork(after_in_child=_forked)
