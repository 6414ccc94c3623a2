"""Text that is cut, never inside what a reader takes for one character.

Python's strings have code points; what a reader sees as one may be many of them: a letter with its
accents, an emoji of a family, a flag. The rules are those of Unicode's grapheme clusters (UAX 29), as
far as the standard library knows what they ask for.
"""

from __future__ import annotations

import unicodedata

SHOWN_CHARACTERS = 4_096
"""What logs show of a text."""

_LONGEST = 256
"""Code points that are looked back for a character's begin; what is longer is nobody's language."""

_JOINER = "\u200d"
_EXTENDS = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f")
_PREPENDS = frozenset("\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd")
_VIRAMA = 9


def head(text: str, most: int) -> str:
    """The longest begin of at most `most` code points that ends between two characters."""
    if len(text) <= most:
        return text
    end = most
    while end > max(0, most - _LONGEST) and not _is_between(text, end):
        end -= 1
    # One character that is longer than all there is room for is cut: it is that, or nothing.
    return text[:end] if end > 0 and _is_between(text, end) else text[:most]


def cut(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """The text; of a longer one its `head`, and behind it how long it is."""
    return text if len(text) <= most else head(text, most) + marker(len(text))


def marker(length: int) -> str:
    """What is written behind a text that was cut from so many code points."""
    return f"\u2026 [cut, {length:,} characters in all]"


def decoded(octets: bytes, most: int | None = None) -> str:
    """At most `most` octets as UTF-8, less a last character that is not whole; what is none is �."""
    taken = octets if most is None else octets[:most]
    for back in range(1, min(4, len(taken)) + 1):
        first = taken[-back]
        if first & 0xC0 == 0x80:
            continue
        if back < _octets(first):
            taken = taken[:-back]
        break
    return taken.decode("utf-8", "replace")


def _octets(first: int) -> int:
    """How many octets a character has that begins with this one."""
    if not 0xC2 <= first <= 0xF4:
        return 1
    return 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2


def _is_between(text: str, at: int) -> bool:
    """Whether one character ends at this place and another begins."""
    before, after = text[at - 1], text[at]
    if before < "\u0300" and after < "\u0300":
        return not (before == "\r" and after == "\n")
    if _extends(after) or before == _JOINER or before in _PREPENDS:
        return False
    if _is_half("\ud800", before) and _is_half("\udc00", after):
        return False
    if _is_flag(before) and _is_flag(after):
        return _flags_before(text, at) % 2 == 0
    if unicodedata.combining(before) == _VIRAMA and unicodedata.category(after) == "Lo":
        return False
    return not _is_one_syllable(before, after)


def _extends(character: str) -> bool:
    return (
        character in _EXTENDS
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
        or unicodedata.category(character) in ("Mn", "Mc", "Me")
    )


def _is_half(first: str, character: str) -> bool:
    return ord(first) <= ord(character) < ord(first) + 0x400


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    """How many letters of flags stand in a row before this place."""
    count = 0
    while count < at and _is_flag(text[at - count - 1]):
        count += 1
    return count


def _is_one_syllable(before: str, after: str) -> bool:
    """Whether two of Hangul's letters are one syllable together."""
    first, second = _hangul(before), _hangul(after)
    if first == "L":
        return second in ("L", "V", "LV", "LVT")
    if first in ("LV", "V"):
        return second in ("V", "T")
    return first in ("LVT", "T") and second == "T"


def _hangul(character: str) -> str:
    code = ord(character)
    if 0xAC00 <= code <= 0xD7A3:
        return "LV" if (code - 0xAC00) % 28 == 0 else "LVT"
    if 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C:
        return "L"
    if 0x1160 <= code <= 0x11A7 or 0xD7B0 <= code <= 0xD7C6:
        return "V"
    return "T" if 0x11A8 <= code <= 0x11FF or 0xD7CB <= code <= 0xD7FB else ""
