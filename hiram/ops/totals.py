"""The counters of all processes, living and dead, from their files."""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import Metric, mmap_dict, multiprocess
from prometheus_client.registry import Collector

from hiram.telemetry.metrics import HOST

logger = logging.getLogger(__name__)

# The library has no types here.
_Values: Any = mmap_dict.MmapedDict
_Collector: Any = multiprocess.MultiProcessCollector

_TIDY_EVERY_SECONDS = 30.0
_SUMMED = ("counter", "histogram")
_DEAD = 0
_BROKEN = (OSError, ValueError, struct.error, KeyError, IndexError)


class Totals(Collector):
    """Sums what each process wrote; what the dead wrote is kept in one file, so nothing falls."""

    def __init__(self, folder: Path) -> None:
        """`folder` is `PROMETHEUS_MULTIPROC_DIR`."""
        self._folder = folder
        self._lock = threading.Lock()
        self._tidied = -_TIDY_EVERY_SECONDS

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        with self._lock:
            if time.monotonic() - self._tidied >= _TIDY_EVERY_SECONDS:
                self._tidied = time.monotonic()
                tidy(self._folder)
            files = [str(file) for file in self._folder.glob("*.db")]
            try:
                return iter(_merge(files))
            except _BROKEN:
                # A process that was killed while it made its file left half of one.
                return iter(_merge(file for file in files if _is_whole(file)))


def tidy(folder: Path) -> None:
    """Add up the files of this host's dead processes into one, and remove them."""
    with (folder / "tidy.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for file in folder.glob(f"*_{HOST}-*.db"):
            kind, _, rest = file.stem.partition("_")
            pid = rest.removeprefix(f"{HOST}-")
            if not pid.isdecimal() or int(pid) == _DEAD or _lives(int(pid)):
                continue
            try:
                if kind in _SUMMED:
                    _add(file, folder / f"{kind}_{HOST}-{_DEAD}.db")
            except _BROKEN:
                logger.warning("the metrics in %s cannot be read", file.name)
            file.unlink(missing_ok=True)


def _add(file: Path, total: Path) -> None:
    values = _Values(str(total))
    try:
        for key, value, at, _ in _Values.read_all_values_from_file(str(file)):
            before, _ = values.read_value(key)
            values.write_value(key, before + value, at)
    finally:
        values.close()


def _merge(files: Iterable[str]) -> list[Metric]:
    return list(_Collector.merge(files))


def _is_whole(file: str) -> bool:
    try:
        _merge([file])
    except _BROKEN:
        return False
    return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
