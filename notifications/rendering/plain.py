"""Plain: sources that do nothing but put strings between texts, as most do. Pure.

Such a source is no program: what it costs is what it writes. So it needs no renderer, and no way to
one and back. What is not surely the same here, in the source or in the data, is left to Liquid: tags,
filters, other values than strings, what is missing, what is long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from notifications.renderer.line import ONE_LINE, one_line

LONGEST = 64 * 1024
"""Characters of one source, and of what is made of it before it is escaped."""

MOST = 1_000
"""Variables in one part."""

_BLANK = r"[ \t\r\n]*+"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*+"
# No third brace before it: Liquid takes the first two of them.
_OUTPUT = re.compile(rf"(?<!\{{)\{{\{{{_BLANK}({_NAME}(?:\.{_NAME})*+){_BLANK}\}}\}}")
_OTHERS = re.compile(r"\{[{%]")
# Words that mean something in an expression (liquid/builtin/expressions/_tokenize.py).
_WORDS = frozenset({
    "and", "as", "blank", "cols", "contains", "continue", "else", "empty", "false", "for", "if", "in",
    "limit", "nil", "not", "null", "offset", "or", "required", "reversed", "true", "with",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A text, and what comes after it: pairs of the path of a variable, and text again."""

    name: str
    start: str
    rest: tuple[tuple[tuple[str, ...], str], ...]
    characters: int
    is_escaped: bool

    def text(self, data: Mapping[str, Any]) -> str | None:
        """What Liquid would make of these data, or None where Liquid is to do it."""
        pieces, room = [self.start], LONGEST - self.characters
        for path, text in self.rest:
            value: Any = data
            for step in path:
                value = value.get(step) if type(value) is dict else None
            if type(value) is not str or (room := room - len(value)) < 0:
                return None
            value = _lines(value)
            pieces += (escape(value) if self.is_escaped else value, text)
        made = "".join(pieces)
        if "\0" in made or not _is_unicode(made):
            return None
        return one_line(made) if self.name in ONE_LINE else made


def parts_of(sources: Mapping[str, str], escaped: frozenset[str]) -> tuple[Part, ...] | None:
    """The parts, if all of them are plain."""
    made = [_part(name, source, name in escaped) for name, source in sources.items()]
    found = tuple(part for part in made if part is not None)
    return found if len(found) == len(made) else None


def texts(parts: Sequence[Part], data: Mapping[str, Any]) -> dict[str, str] | None:
    """All of them, or None where Liquid is to make them."""
    made: dict[str, str] = {}
    for part in parts:
        text = part.text(data)
        if text is None:
            return None
        made[part.name] = text
    return made


def _part(name: str, source: str, is_escaped: bool) -> Part | None:
    if len(source) > LONGEST:
        return None
    start, *others = _OUTPUT.split(source)
    paths = [tuple(path.split(".")) for path in others[::2]]
    literals = [start, *others[1::2]]
    if (
        len(paths) > MOST
        # Liquid takes a last line feed for a text of its own, and so makes two of these.
        or literals[-1].endswith("\r\n")
        or any(map(_OTHERS.search, literals))
        or any(not _WORDS.isdisjoint(path) for path in paths)
    ):
        return None
    start, *literals = map(_lines, literals)
    characters = len(start) + sum(map(len, literals))
    return Part(name, start, tuple(zip(paths, literals, strict=True)), characters, is_escaped)


def _lines(text: str) -> str:
    """With line feeds alone, as Liquid writes each of its texts."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _is_unicode(text: str) -> bool:
    """Whether it has no half of a surrogate pair, which has no octets."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
