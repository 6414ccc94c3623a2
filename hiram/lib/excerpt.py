"""Other people's text, made fit to be stored, logged and shown: short, one line, no secrets."""

from __future__ import annotations

from collections.abc import Iterable

from hiram.lib.text import SHOWN_CHARACTERS, head, marker

MAX_CHARACTERS = SHOWN_CHARACTERS

_MARKED = 1_000
"""A shorter excerpt does not say how long the whole is: it is a name or a number, not prose."""


def excerpt(text: str | bytes, *, secrets: Iterable[str] = (), most: int = MAX_CHARACTERS) -> str:
    """`text` with control characters escaped and `secrets` struck out, cut to `most` characters.

    Bytes are read as UTF-8 with what is not escaped. What is cut says so at its end, and how long it
    was; it is cut between what a reader takes for characters, and not inside an escape.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    if len(text) <= most:
        plain = _plain(text)
        if len(plain) <= most:
            return plain
    mark = marker(len(text)) if most >= _MARKED else ""
    return _begin(text, most - len(mark)) + mark


def _plain(text: str) -> str:
    return text if text.isprintable() else "".join(map(_escaped, text))


def _begin(text: str, room: int) -> str:
    """As much of it as there is room for, once it is escaped."""
    taken = 0
    for end, character in enumerate(text):
        taken += len(_escaped(character))
        if taken > room:
            return _plain(head(text, end))
    return _plain(text)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
