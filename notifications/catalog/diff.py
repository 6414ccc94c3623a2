"""Diff: what another version says otherwise, by locale and part. Pure."""

from __future__ import annotations

import difflib
import json
from typing import Any

from notifications.catalog.text import Text

LINES_MOST = 1_000
"""Of a changed stretch that is compared line by line; longer ones are shown as replaced."""


def diff(old: Text, new: Text) -> dict[str, Any]:
    """Unified diffs of what differs; what is alike is left out."""
    locales: dict[str, dict[str, str]] = {}
    for locale in sorted({*old.locales, *new.locales}):
        before, after = old.locales.get(locale, {}), new.locales.get(locale, {})
        found = {
            part: unified(before.get(part, ""), after.get(part, ""))
            for part in ("subject", "html", "mjml", "text")
        }
        if told := {part: text for part, text in found.items() if text}:
            locales[locale] = told
    return {
        "default_locale": unified(old.default_locale, new.default_locale) or None,
        "variables": unified(_written(old.variables), _written(new.variables)) or None,
        "locales": locales,
    }


def unified(old: str, new: str) -> str:
    """A unified diff, empty where nothing differs. Its work is bounded, whatever the texts."""
    if old == new:
        return ""
    before, after = _lines(old), _lines(new)
    if _differing(before, after) > LINES_MOST:
        lines = [f"@@ -1,{len(before)} +1,{len(after)} @@"]
        lines += [f"-{line}" for line in before] + [f"+{line}" for line in after]
    else:
        lines = list(difflib.unified_diff(before, after, lineterm=""))[2:]
    return "\n".join(lines) + "\n"


def _differing(before: list[str], after: list[str]) -> int:
    """How long the stretch is outside which both are alike."""
    least = min(len(before), len(after))
    head = next((n for n in range(least) if before[n] != after[n]), least)
    tail = next((n for n in range(least - head) if before[-1 - n] != after[-1 - n]), least - head)
    return max(len(before), len(after)) - head - tail


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    # As other tools show it, and so that a change of the last line break alone is seen.
    return lines[:-1] if lines[-1] == "" else [*lines[:-1], lines[-1] + "\n\\ No newline at end"]


def _written(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
