"""Hard total deadlines: a call ends when its time is up, also against a peer that drips bytes.

A socket time-out bounds one read, so a peer that sends a byte now and then can hold a call for
ever. Here every socket of a call is watched: at the deadline one thread of the process shuts it,
and whoever waits on it wakes with an end of stream or an error.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from types import TracebackType

_local = threading.local()


class Limit:
    """The time a call has, from `deadline`; a context manager, used by the thread that made it."""

    __slots__ = ("_descriptors", "_done", "_expired", "_outer", "end")

    def __init__(self, end: float) -> None:
        self.end = end
        self._descriptors: list[int] = []
        self._done = False
        self._expired = False
        self._outer: Limit | None = None

    def __enter__(self) -> Limit:
        self._outer = current()
        _local.limit = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _local.limit = self._outer
        self._expired = self.expired
        self._done = True
        if self._descriptors:
            _watchdog.forget(self)

    @property
    def expired(self) -> bool:
        """Whether the time was up before the block ended: answers after that mean nothing."""
        return self._expired or (not self._done and time.monotonic() >= self.end)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.end - time.monotonic())

    def watch(self, sock: socket.socket) -> None:
        """Shut `sock` when the time is up, unless the block has ended by then.

        What is kept is a duplicate of the descriptor, so a socket that is wrapped in TLS or closed
        in the meantime is still the right one, and a number that is used again is never shut.
        Raises OSError when `sock` is closed, or no more descriptors or threads are to be had.
        """
        _watchdog.add(self, os.dup(sock.fileno()))

    def _shut(self) -> None:
        for descriptor in self._descriptors:
            sock = socket.socket(fileno=descriptor)
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was never connected, or the peer has gone already
            finally:
                sock.detach()


class _Watchdog:
    """One daemon thread that shuts the sockets of limits whose time is up; asleep while idle.

    It is woken only for a limit that ends before its next waking, so calls which all have the same
    time-out wake it about once a time-out, not once a call.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._limits: set[Limit] = set()
        self._wakes_at = math.inf
        self._started = False

    def add(self, limit: Limit, descriptor: int) -> None:
        with self._changed:
            limit._descriptors.append(descriptor)
            self._limits.add(limit)
            if not self._started:
                self._start()
            elif limit.end < self._wakes_at:
                self._changed.notify()

    def forget(self, limit: Limit) -> None:
        with self._changed:
            self._limits.discard(limit)
            descriptors, limit._descriptors = limit._descriptors, []
        for descriptor in descriptors:
            os.close(descriptor)

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name="deadlines", daemon=True).start()
        except RuntimeError as error:
            raise OSError(f"no time-out can be kept: {error}") from error
        self._started = True

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                over = [limit for limit in self._limits if limit.end <= now]
                for limit in over:
                    limit._shut()
                self._limits.difference_update(over)
                self._wakes_at = min((limit.end for limit in self._limits), default=math.inf)
                idle = self._wakes_at == math.inf
                self._changed.wait(None if idle else max(0.0, self._wakes_at - now))


_watchdog = _Watchdog()


def _forked() -> None:
    """Start anew in a child process: a fork copies the locks but not the thread."""
    global _watchdog
    _watchdog = _Watchdog()


os.register_at_fork(after_in_child=_forked)


def current() -> Limit | None:
    """The innermost limit that this thread is in, if any."""
    return getattr(_local, "limit", None)


def deadline(seconds: float) -> Limit:
    """A limit that ends in `seconds`, or with the limit this thread is in if that is earlier."""
    end = time.monotonic() + seconds
    outer = current()
    return Limit(end if outer is None else min(end, outer.end))
