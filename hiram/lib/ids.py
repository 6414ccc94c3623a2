"""Identifiers: UUIDv7 inside (RFC 9562), a prefix and 26 Crockford base32 characters outside.

The prefix says what an id names, so that a wrong id is refused before any look-up. UUIDv7 sorts
by creation time, which keeps index inserts at the right edge.
"""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_VALUES = {c: i for i, c in enumerate(_ALPHABET)}

__all__ = ["MalformedId", "new", "parse", "show"]


class MalformedId(ValueError):
    """The text is not an id of the expected kind."""


def new() -> UUID:
    """A fresh UUIDv7, rising within this process."""
    return uuid7()


def show(prefix: str, value: UUID) -> str:
    """`ntf` and a UUID as `ntf_01HZX...`."""
    n = value.int
    pairs = [_PAIRS[n >> shift & 1023] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(pairs)}"


def parse(prefix: str, text: str) -> UUID:
    """The UUID of a shown id.

    Only the canonical spelling is taken (upper case, no aliases): one thing, one id.

    Raises:
        MalformedId: another prefix, length, alphabet, or more than 128 bits.
    """
    head, _, body = text.partition("_")
    if head != prefix or len(body) != 26:
        raise MalformedId(f"expected an id that begins with {prefix}_ and 26 characters")
    n = 0
    for character in body:
        digit = _VALUES.get(character)
        if digit is None:
            raise MalformedId(f"{character!r} is not a character of an id")
        n = n << 5 | digit
    if n >> 128:
        raise MalformedId("the id is out of range")
    return UUID(int=n)
