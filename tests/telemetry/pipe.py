"""A logger whose lines can be read, and what was lost of them."""

from __future__ import annotations

import json
import logging
import os
import select
from typing import Any

from hiram import telemetry
from hiram.telemetry import LogWriter


class Pipe:
    """A logger whose lines go into a pipe."""

    def __init__(self, lines: int = 10_000) -> None:
        self.reader, self.writer = os.pipe()
        self.handler = LogWriter(self.writer, lines=lines)
        self.handler.setFormatter(telemetry.JsonFormatter())
        self.logger = logging.Logger(f"tests.pipe.{self.reader}")  # noqa: LOG001 - it is nobody else's
        self.logger.addHandler(self.handler)
        self._rest = b""

    def line(self) -> dict[str, Any]:
        """The next line, as it was read."""
        while b"\n" not in self._rest:
            assert select.select([self.reader], [], [], 5)[0], "no line came"
            self._rest += os.read(self.reader, 65_536)
        first, _, self._rest = self._rest.partition(b"\n")
        return dict(json.loads(first))

    def close(self) -> None:
        os.close(self.reader)


def dropped() -> float:
    """What the counter says."""
    value: float = telemetry.metrics._LOG_DROPPED._value.get()
    return value
