"""One supervisor a home: a lock that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiram.embedded.home import Home, Unavailable


@contextmanager
def hold(home: Home) -> Iterator[None]:
    """Hold the home's lock; its file `run/up.lock` has our pid.

    Raises:
        Unavailable: another process holds it.
    """
    home.make()
    with open(os.open(_path(home), os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refusal(home, holder(home)) from None
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def refuse_if_held(home: Home) -> None:
    """Say so when an instance runs.

    Raises:
        Unavailable: another process holds the home's lock.
    """
    if (pid := holder(home)) is not None:
        raise _refusal(home, pid)


def holder(home: Home) -> int | None:
    """The pid of the home's supervisor, None when none runs, whatever the file says."""
    try:
        file = _path(home).open()
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0)
    return None


def _refusal(home: Home, pid: int | None) -> Unavailable:
    return Unavailable(
        f"Hiram already runs in {home.path} (pid {pid}). Stop it with `manage.py down`, or start"
        " another instance with its own HIRAM_HOME, HIRAM_PORT, HIRAM_STREAM_PORT and"
        " HIRAM_OPS_PORT."
    )


def _path(home: Home) -> Path:
    return home.run / "up.lock"
