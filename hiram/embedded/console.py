"""One log of all processes: on the terminal, a colour each, and in a bounded file."""

from __future__ import annotations

import os
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path

_COLOURS = (32, 33, 34, 35, 36, 92, 93, 94, 95, 96)
_NAME_WIDTH = 9
_ROTATE_BYTES = 8 * 1024 * 1024
_KEPT = 3


class Console:
    """Where lines go.

    Args:
        path: the file; at 8 MiB it becomes `<name>.1`, and three of those are kept.
        screen: also write to standard output, in colour when that is a terminal and NO_COLOR is unset.
    """

    def __init__(self, path: Path, *, screen: bool = True) -> None:
        self._path = path
        self._file = path.open("ab")
        self._screen = screen
        self._colour = screen and sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def line(self, name: str, text: str) -> None:
        """One line that the process of that name wrote."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        self._file.write(f"{stamp}Z {name:<{_NAME_WIDTH}} {text}\n".encode(errors="replace"))
        self._file.flush()
        if self._file.tell() > _ROTATE_BYTES:
            self._rotate()
        label = f"{name:<{_NAME_WIDTH}}"
        if self._colour:
            colour = _COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)]
            label = f"\x1b[{colour}m{label}\x1b[0m"
        self.say(f"{label} {text}")

    def say(self, text: str) -> None:
        """Text for the person at the terminal only."""
        if not self._screen:
            return
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except OSError:  # the terminal or the reader of the pipe is gone; the file goes on
            self._screen = False

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(_KEPT - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._file = self._path.open("ab")
