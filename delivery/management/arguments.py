"""How commands take the fields of a provider."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delivery.shelves import drivers
from hiram.lib.commands import CommandError

_FLAGS = {"true": True, "yes": True, "false": False, "no": False}


def settings_of(driver: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The words as values of the types that the driver declares; an empty word is None.

    Raises:
        CommandError: a word that is not of its field's type.
    """
    declared = drivers[driver].settings if driver in drivers else None
    types = typing.get_type_hints(declared) if dataclasses.is_dataclass(declared) else {}
    return {name: _value(name, word, types.get(name)) for name, word in given.items()}


def _value(name: str, word: str, kind: Any) -> Any:
    if not word:
        return None
    if kind is bool:
        if word.lower() not in _FLAGS:
            raise CommandError(f"--set {name} takes true or false.")
        return _FLAGS[word.lower()]
    if kind is int:
        try:
            return int(word)
        except ValueError as error:
            raise CommandError(f"--set {name} takes a whole number.") from error
    if kind == tuple[str, ...]:
        return [part.strip() for part in word.split(",") if part.strip()]
    return word


def secrets_of(given: Mapping[str, str]) -> dict[str, Any]:
    """The words, or what the file of `@path` or, for `-`, standard input holds; empty is None.

    One line break at the end of a file is not part of the secret.

    Raises:
        CommandError: a file that cannot be read, or standard input named twice.
    """
    if sum(word == "-" for word in given.values()) > 1:
        raise CommandError("--secret reads standard input for one field only.")
    return {name: _secret(name, word) for name, word in given.items()}


def _secret(name: str, word: str) -> str | None:
    try:
        if word == "-":
            word = sys.stdin.read()
        elif word.startswith("@"):
            word = Path(word[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CommandError(f"--secret {name} cannot be read: {why}.") from error
    return word.removesuffix("\n").removesuffix("\r") or None
