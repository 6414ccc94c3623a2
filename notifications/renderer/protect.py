"""Keeps Liquid's tags out of the sight of programs that know HTML only.

Each is replaced by something that stays where it is put: a comment between elements, where text
would be moved out of a table, and a word within a value, a style, a title or a comment.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

_LIQUID = re.compile(
    r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}"
    r"|\{%-?\s*comment\b.*?\{%-?\s*endcomment\s*-?%\}"
    r"|\{%.*?%\}|\{\{.*?\}\}",
    re.DOTALL,
)
_OPENING = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)|<!--|<[!?]")
_RAW = {
    "iframe", "mj-preview", "mj-style", "mj-title", "noembed", "noframes", "script", "style",
    "textarea", "title", "xmp",
}  # fmt: skip
_TAG = re.compile(r"<[a-zA-Z](?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'")
_NAME = re.compile(r"([^\s=\"'<>/]+)\s*=")


class Unprotected(Exception):
    """A tag is where it cannot be kept."""

    def __init__(self, detail: str, line: int) -> None:
        """What is wrong, and in which line."""
        super().__init__(detail)
        self.detail = detail
        self.line = line


@dataclass(frozen=True, slots=True)
class _Kept:
    text: str
    line: int
    # "text" between elements, "name" in a start tag where no quotes are, else "word".
    place: str

    @property
    def is_output(self) -> bool:
        return self.text.startswith("{{")


class Protected:
    """A source with all its Liquid put away."""

    def __init__(self, source: str) -> None:
        """Put it away.

        Raises:
            Unprotected: a tag is where it cannot be kept.
        """
        self._word = "lq"
        while self._word in source.lower():
            self._word += "q"
        self._kept: list[_Kept] = []
        self._mark = re.compile(rf"<!--{self._word}(\d+)x-->|{self._word}(\d+)x((?:=\"\")?)")
        place, pieces, end = _Place(), [], 0
        for found in _LIQUID.finditer(source):
            literal = source[end : found.start()]
            place.read(literal)
            pieces.append(literal)
            end = found.end()
            line = source.count("\n", 0, found.start()) + 1
            if literal.endswith(("<", "</")):
                raise Unprotected("an element's name cannot come from Liquid", line)
            pieces.append(self._put(_Kept(found[0], line, place.kind())))
        self.text = "".join([*pieces, source[end:]])
        self._check_names()

    def restored(self, text: str) -> str:
        """With the Liquid back in it."""
        return self._mark.sub(self._back, text)

    def words(self, text: str) -> str:
        """With words in the place of comments."""
        return self._mark.sub(
            lambda found: f"{self._word}{found[1]}x" if found[1] else found[0], text
        )

    def check(self, text: str) -> None:
        """See that nothing was lost, doubled or moved.

        Raises:
            Unprotected: something was.
        """
        numbers = [int(found[1] or found[2]) for found in self._mark.finditer(text)]
        times = Counter(numbers)
        for number, kept in enumerate(self._kept):
            is_right = times[number] == 1 or (
                times[number] > 1 and kept.is_output and kept.place == "word"
            )
            if not is_right:
                raise Unprotected(
                    f"{kept.text[:80]} {'is doubled' if times[number] else 'gets lost'} here",
                    kept.line,
                )
        moving = [n for n in numbers if self._kept[n].place == "text"]
        for before, after in pairwise(moving):
            if before > after:
                raise Unprotected(
                    f"{self._kept[after].text[:80]} is moved from here", self._kept[after].line
                )

    def _put(self, kept: _Kept) -> str:
        self._kept.append(kept)
        word = f"{self._word}{len(self._kept) - 1}x"
        return f"<!--{word}-->" if kept.place == "text" else word

    def _back(self, found: re.Match[str]) -> str:
        kept = self._kept[int(found[1] or found[2])]
        empty = found[3] or ""
        return kept.text + ("" if kept.place == "name" else empty)

    def _check_names(self) -> None:
        """An attribute that is there twice, once for each case, would be there once afterwards."""
        for tag in _TAG.finditer(self.text):
            inside = {int(found[1] or found[2]) for found in self._mark.finditer(tag[0])}
            conditional = [n for n in sorted(inside) if self._kept[n].place == "name"]
            names = Counter(_NAME.findall(_VALUE.sub(" ", tag[0])))
            if conditional and any(times > 1 for times in names.values()):
                raise Unprotected(
                    "an attribute is there twice: put the condition into its value",
                    self._kept[conditional[0]].line,
                )


class _Place:
    """Where in HTML one is, having read so much of it."""

    def __init__(self) -> None:
        self._state = "text"
        self._name = ""
        self._is_closing = False

    def kind(self) -> str:
        return {"text": "text", "tag": "name"}.get(self._state, "word")

    def read(self, text: str) -> None:
        at = 0
        while at < len(text):
            at = _READERS[self._state](self, text, at)

    def _text(self, text: str, at: int) -> int:
        found = _OPENING.search(text, at)
        if not found:
            return len(text)
        if found[0] == "<!--":
            self._state = "comment"
        else:
            self._state = "tag"
            self._is_closing = bool(found[1])
            self._name = (found[2] or "").lower()
        return found.end()

    def _tag(self, text: str, at: int) -> int:
        found = re.compile("[\"'>]").search(text, at)
        if not found:
            return len(text)
        self._state = found[0]
        if found[0] == ">":
            is_raw = self._name in _RAW and not self._is_closing
            self._state = "raw" if is_raw else "text"
        return found.end()

    def _quoted(self, text: str, at: int) -> int:
        end = text.find(self._state, at)
        if end < 0:
            return len(text)
        self._state = "tag"
        return end + 1

    def _comment(self, text: str, at: int) -> int:
        end = text.find("-->", at)
        if end < 0:
            return len(text)
        self._state = "text"
        return end + 3

    def _raw(self, text: str, at: int) -> int:
        end = text.lower().find(f"</{self._name}", at)
        if end < 0:
            return len(text)
        self._state, self._is_closing = "tag", True
        return end + 2 + len(self._name)


_READERS = {
    "text": _Place._text, "tag": _Place._tag, '"': _Place._quoted, "'": _Place._quoted,
    "comment": _Place._comment, "raw": _Place._raw,
}  # fmt: skip
