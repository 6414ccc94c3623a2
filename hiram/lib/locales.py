"""Locales: language tags (BCP 47) in one spelling.

Language, script, region and variants, without extensions and private use.
"""

from __future__ import annotations

import re
from functools import lru_cache

LOCALE_CHARACTERS = 35
"""RFC 5646, section 4.4.1: enough for every tag of these subtags."""

LOCALE_PATTERN = (
    r"[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[0-9A-Za-z]{5,8}|[0-9][0-9A-Za-z]{3}))*"
)
_TAG = re.compile(LOCALE_PATTERN, re.ASCII)


@lru_cache(maxsize=4096)
def locale(tag: str) -> str:
    """The one spelling of a tag: `de_at` and `DE-at` are `de-AT`, `zh-hant` is `zh-Hant`.

    Raises:
        ValueError: it is none.
    """
    text = tag.replace("_", "-")
    if len(text) > LOCALE_CHARACTERS or not _TAG.fullmatch(text):
        raise ValueError("must be a language tag such as de, de-AT or zh-Hant-TW")
    language, *rest = text.split("-")
    return "-".join([language.lower(), *map(_subtag, rest)])


def _subtag(text: str) -> str:
    if len(text) == 4 and text.isalpha():
        return text.title()
    return text.upper() if len(text) == 2 else text.lower()
