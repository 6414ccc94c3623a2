"""Logs: one JSON object a line on standard error, without secrets, never in anybody's way.

A record is formatted and redacted by the thread that logs, and written by a thread of its own
from a bounded queue: when nobody reads the log, or its disk is full, records are dropped and
counted, and delivery goes on.
"""

from __future__ import annotations

import json
import logging
import os
import select
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any

from hiram.telemetry import context, metrics
from hiram.telemetry.redaction import as_text, redact

_QUEUED_LINES = 10_000
_FLUSH_SECONDS = 1.0
_FLUSH_STEP_SECONDS = 0.005
_COUNT_EVERY_MILLISECONDS = 1_000
_LONGEST_VALUE = 4_096
_LONGEST_LINE = 65_536
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_STANDARD_ERROR = 2


class _Service:
    name = "hiram"


def serve_as(name: str) -> None:
    """Say which service this process's records come from."""
    _Service.name = name


class JsonFormatter(logging.Formatter):
    """One JSON object a line; any secret that can be recognised is struck out of all of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as ASCII JSON: it has no control characters and cannot make a second line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            "service": _Service.name,
            **context.trace(),
            **(context.fields.get() or {}),
        }
        if text := self._trouble(record):
            fields["exception"] = text
        known = _STANDARD | fields.keys()
        extra = {name: value for name, value in vars(record).items() if name not in known}
        clean = redact(fields | extra)
        line = json.dumps(clean)
        if len(line) > _LONGEST_LINE:
            line = json.dumps({name: _shortened(clean[name]) for name in fields} | {"cut": True})
        return line

    def _trouble(self, record: logging.LogRecord) -> str:
        """The exception and the stack that the record carries."""
        text = record.exc_text
        if record.exc_info and not text:
            try:
                text = self.formatException(record.exc_info)
            except Exception as error:
                text = f"an exception that cannot be shown: {type(error).__name__}"
        return "\n".join(part for part in (text, record.stack_info) if part)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:
        return f"{as_text(record.msg)} (arguments left out: {type(error).__name__})"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


class LogWriter(logging.Handler):
    """Writes lines to standard error from a thread of its own; drops and counts what is too much.

    Nobody who logs ever waits: not for a pipe that nobody reads, not for a full disk. It takes no
    lock of its own, for a signal's handler may log in the middle of a log call.
    """

    def __init__(self, descriptor: int = _STANDARD_ERROR, *, lines: int = _QUEUED_LINES) -> None:
        """`lines` are kept while `descriptor` does not take them."""
        super().__init__()
        self._descriptor = descriptor
        self._limit = lines
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        # A child of a fork has neither the thread nor a right to its parent's lines.
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._busy = False
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line, or count it as lost."""
        try:
            line = self.format(record).encode() + b"\n"
        except Exception:
            self._dropped += 1
            return
        if self._lines.qsize() >= self._limit:
            self._dropped += 1
            return
        self._lines.put(line)
        if self._thread is None:
            self._thread = threading.Thread(target=self._carry, name="log", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Wait until all is written, for at most a second; `logging` does so at exit."""
        end = time.monotonic() + _FLUSH_SECONDS
        while (self._busy or not self._lines.empty()) and time.monotonic() < end:
            time.sleep(_FLUSH_STEP_SECONDS)

    def _carry(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while True:
            self._busy = False
            line = self._lines.get()
            self._busy = True
            try:
                self._write(line, poll)
            except OSError:
                self._dropped += 1
            self._count()

    def _write(self, line: bytes, poll: select.poll) -> None:
        while line:
            # What poll calls writable takes this much without blocking.
            if poll.poll(_COUNT_EVERY_MILLISECONDS):
                with suppress(BlockingIOError):
                    line = line[os.write(self._descriptor, line[: select.PIPE_BUF]) :]
            else:
                self._count()

    def _count(self) -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            metrics.log_dropped(dropped)
