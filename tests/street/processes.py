"""Processes as the kernel shows them: who runs, whose child it is; and ways to hurt them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """The running children of a process, oldest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # proc(5): pid (name) state ppid ...; the name may hold anything, parentheses too.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state not in "ZX":
                found.append(int(stat.parent.name))
    return sorted(found)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    return [pid, *(found for child in children(pid) for found in family(child))]


def send(signum: signal.Signals, *pids: int) -> None:
    """Send a signal to those that still run."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Inside, these processes stand still."""
    send(signal.SIGSTOP, *pids)
    try:
        yield
    finally:
        send(signal.SIGCONT, *pids)
