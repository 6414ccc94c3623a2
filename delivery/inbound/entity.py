"""Entity: headers and parts of a mail, read without trust, and never deeper than one level.

Headers are read by Python's email package, each block of them apart and bounded. Its parser of
whole mails is not used: it follows any nesting to its end.
"""

from __future__ import annotations

import base64
import quopri
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from email.utils import parsedate_to_datetime
from typing import Self

from hiram.lib.text import decoded, head

HEAD_OCTETS = 65_536
TEXT_OCTETS = 65_536
TYPE_CHARACTERS = 1_000
FIELD_CHARACTERS = 2_000
PARTS = 10
BLOCKS = 101
"""One for the message, and one for each of 100 recipients, the least that every server takes at
once (RFC 5321, 4.5.3.1.8)."""

_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")


@dataclass(frozen=True, slots=True)
class Fields:
    """A block of headers: each one's first value, on one line."""

    message: Message

    @classmethod
    def of(cls, text: str) -> Self:
        """Read; what is no header is left out."""
        return cls(HeaderParser().parsestr(text))

    def __contains__(self, name: str) -> bool:
        return name in self.message

    def text(self, name: str) -> str:
        """The value, at most 2,000 characters of it; empty where there is none."""
        return " ".join(head(str(self.message.get(name, "")), FIELD_CHARACTERS).split())

    def moment(self, name: str) -> datetime | None:
        """The value as a date (RFC 5322), in UTC unless it says otherwise."""
        try:
            found = parsedate_to_datetime(self.text(name))
        except (ValueError, TypeError, OverflowError):
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def kind(self) -> str:
        """The content type, in lower case."""
        return self._typed()[0]

    def parameter(self, name: str) -> str:
        """A parameter of the content type; empty where there is none."""
        return self._typed(name)[1]

    def _typed(self, name: str = "") -> tuple[str, str]:
        # Of a long value the package counts the quotation marks again for each semicolon.
        if len(str(self.message.get("Content-Type", ""))) > TYPE_CHARACTERS:
            return "", ""
        found = self.message.get_param(name) if name else ""
        return self.message.get_content_type(), found if isinstance(found, str) else ""


@dataclass(frozen=True, slots=True)
class Entity:
    """A mail, or one part of it: `body` is as it came but for its line ends, which are LF."""

    fields: Fields
    body: bytes

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Read; of headers that are too many none is there."""
        text = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        head, _, body = text.partition(b"\n\n")
        if text.startswith(b"\n"):
            head, body = b"", text[1:]
        if len(head) > HEAD_OCTETS:
            head = b""
        return cls(Fields.of(head.decode("utf-8", "replace")), body)

    def parts(self) -> list[Entity]:
        """The first ten parts of a multipart, else none; a multipart among them is left as it is."""
        boundary = self.fields.parameter("boundary").encode("utf-8", "replace")
        if not boundary or not self.fields.kind().startswith("multipart/"):
            return []
        line = re.compile(rb"^--" + re.escape(boundary) + rb"(?:--)?[ \t]*(?:\n|\Z)", re.MULTILINE)
        return [Entity.of(part) for part in line.split(self.body, PARTS)[1:]]

    def text(self) -> str:
        """The first 64 KiB of the body, decoded."""
        encoding = self.fields.text("Content-Transfer-Encoding").lower()
        body = self.body
        if encoding == "quoted-printable":
            body = quopri.decodestring(body)
        elif encoding == "base64":
            try:
                body = base64.b64decode(body)
            except ValueError:
                body = b""
        lines = decoded(body, TEXT_OCTETS)
        return lines.replace("\r\n", "\n").replace("\r", "\n")

    def blocks(self) -> list[Fields]:
        """The body's blocks of headers, as reports for machines have them."""
        return [Fields.of(block) for block in _BLANK_LINES.split(self.text())[:BLOCKS]]
