"""One line: text that cannot break out of the line it stands in. Pure."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header

ONE_LINE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_OCTET = re.compile(rb"[\x00-\x1f\x7f]")


def one_line(text: str) -> str:
    """The text, if it has no line break or other control character.

    An encoded word (RFC 2047) is looked into, since a mail program will decode it.

    Raises:
        ValueError: it has one.
    """
    if _CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    if "=?" in text:
        _check_encoded_words(text)
    return text


def _check_encoded_words(text: str) -> None:
    try:
        parts = decode_header(text)
    except (HeaderParseError, ValueError) as error:
        raise ValueError("must not hold an encoded word that cannot be decoded") from error
    for part, charset in parts:
        raw = part.encode() if isinstance(part, str) else part
        if _CONTROL_OCTET.search(raw) or _CONTROL.search(_decoded(raw, charset)):
            raise ValueError("must not hide a control character in an encoded word")


def _decoded(raw: bytes, charset: str | None) -> str:
    # A charset such as UTF-7 hides a line break in octets that are all printable.
    name, _, _ = (charset or "ascii").partition("*")
    try:
        return raw.decode(name, "replace")
    except (LookupError, ValueError):
        return ""
