"""The mailbox on disk: one JSON object a line, in two segments of bounded size.

A record's bytes, if it has any, are its member `raw`, in Base64.

Only appended to, so that a crash can tear the last line at most; a torn or foreign line is
skipped when read. When the newer segment is full it becomes the older one, whose content is
dropped with it: the disk holds between half of the limit and the whole.
"""

from __future__ import annotations

import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

logger = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024 * 1024
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Journal:
    """Records kept in `folder`, at most `max_bytes` of them. A full disk stops keeping, not us."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._newer = folder / "newer.jsonl"
        self._older = folder / "older.jsonl"
        self._segment_bytes = max_bytes // 2
        self._file: BinaryIO | None = None
        self._size = 0
        self._broken = False

    def records(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Every readable record with its bytes, oldest first."""
        for path in (self._older, self._newer):
            if not path.exists():
                continue
            with path.open("rb") as lines:
                for line in lines:
                    record = _record(line)
                    if record is not None:
                        yield record

    def append(self, record: dict[str, Any], raw: bytes = b"") -> None:
        """Hand one record to the operating system before returning (no fsync)."""
        # Base64 needs no escapes, and looking for them takes longer than all the rest.
        head = _encode(record).encode().removesuffix(b"}")
        line = head + b',"raw":"' + b64encode(raw) + b'"}\n'
        try:
            file = self._file or self._open()
            file.write(line)
            file.flush()
            self._size += len(line)
            if self._size >= self._segment_bytes:
                self._rotate()
        except OSError as error:
            self._give_up(error)

    def clear(self) -> None:
        """Forget every record."""
        self.close()
        self._broken = False
        try:
            self._older.unlink(missing_ok=True)
            self._newer.unlink(missing_ok=True)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Release the file; the next append opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO:
        if self._broken:
            raise OSError("the mailbox is no longer kept on disk")
        self._newer.parent.mkdir(parents=True, exist_ok=True)
        # 0600: the mailbox holds what a developer's tests sent, one-time codes included.
        self._newer.touch(mode=0o600)
        file = self._newer.open("ab")
        self._size = file.tell()
        if self._size and not _ends_with_newline(self._newer):
            file.write(b"\n")
        self._file = file
        return file

    def _rotate(self) -> None:
        self.close()
        self._newer.replace(self._older)

    def _give_up(self, error: OSError) -> None:
        if not self._broken:
            logger.warning("mail is no longer kept on disk: %s", error)
        self._broken = True
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError:
                logger.debug("the mailbox's last line is lost")


def _record(line: bytes) -> tuple[dict[str, Any], bytes] | None:
    try:
        record = json.loads(line)
        return record, b64decode(record.pop("raw"), validate=True)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"
