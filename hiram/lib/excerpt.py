"""Other people's text, made fit to be stored, logged and shown: short, one line, no secrets."""

from __future__ import annotations

from collections.abc import Iterable

MAX_CHARACTERS = 2000


def excerpt(text: str | bytes, *, secrets: Iterable[str] = ()) -> str:
    """`text` with control characters escaped and `secrets` struck out, cut to 2,000 characters.

    Bytes are read as UTF-8 with what is not escaped. What is cut ends in an ellipsis.
    """
    if isinstance(text, bytes):
        text = text[: 8 * MAX_CHARACTERS].decode("utf-8", "backslashreplace")
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    if text.isprintable() and len(text) <= MAX_CHARACTERS:
        return text
    plain = "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text[: MAX_CHARACTERS + 1]
    )
    return plain if len(plain) <= MAX_CHARACTERS else plain[: MAX_CHARACTERS - 1] + "\u2026"
