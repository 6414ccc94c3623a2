"""A process that takes from itself what it will not need: memory, files, processes, time."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from contextlib import suppress

_STATM = "/proc/self/statm"


class Confined:
    """This process, from the moment of its making."""

    def __init__(self, memory_octets: int, cpu_seconds: int | None = None) -> None:
        """May take so much more than it has by now, open nothing, write no file, start nothing.

        What it has open stays open. To be called when everything is imported, and was used once.
        """
        _rest_of_start()
        self._statm = os.open(_STATM, os.O_RDONLY) if os.path.exists(_STATM) else None
        self.idle = self.octets()
        limits = [
            (resource.RLIMIT_NOFILE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0),
        ]  # fmt: skip
        if sys.platform == "linux":
            limits += [
                (resource.RLIMIT_AS, self.idle + memory_octets), (resource.RLIMIT_NPROC, 0),
            ]  # fmt: skip
        if cpu_seconds is not None:
            limits.append((resource.RLIMIT_CPU, cpu_seconds))
        for limit, value in limits:
            resource.setrlimit(limit, (value, value))

    def octets(self) -> int:
        """The address space it takes; 0 where the system does not say."""
        if self._statm is None:
            return 0
        return int(os.pread(self._statm, 64, 0).split()[0]) * resource.getpagesize()


def _rest_of_start() -> None:
    """Nothing of what started it holds it back, or is talked to, any more."""
    os.chdir("/")
    os.environ.clear()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with suppress(OSError):
        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 2)
        os.close(silence)
    gc.collect()
    gc.freeze()
