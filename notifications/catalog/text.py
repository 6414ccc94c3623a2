"""What a version says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """Declared variables, and the sources by locale and part."""

    variables: Mapping[str, Any]
    default_locale: str
    locales: Mapping[str, Mapping[str, str]]


def changed(text: Text, given: Mapping[str, Any]) -> Text:
    """The text with what is given by the names of its fields."""
    fields = {
        "variables": text.variables,
        "default_locale": text.default_locale,
        "locales": text.locales,
    }
    return Text(**(fields | dict(given)))
