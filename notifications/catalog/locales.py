"""Which locale of a template is used. Pure.

Tags are those of BCP 47 without extensions and private use: language, script, region, variants.
A wanted tag is looked up as in RFC 4647, section 3.4: exactly, then with its last subtag taken off,
until only the language is left. What is not there in the wanted locale is taken in the tenant's,
looked up in the same way, and at last in the template's own default. Another region of the
language is never taken: who asks for `pt-BR` does not get `pt-PT` unless that is a default.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

TAG_CHARACTERS = 35
"""RFC 5646, section 4.4.1: enough for every tag of these subtags."""

PATTERN = (
    r"[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[0-9A-Za-z]{5,8}|[0-9][0-9A-Za-z]{3}))*"
)
_TAG = re.compile(PATTERN, re.ASCII)


@lru_cache(maxsize=4096)
def normalised(tag: str) -> str:
    """The one spelling of a tag: `de_at` and `DE-at` are `de-AT`, `zh-hant` is `zh-Hant`.

    Raises:
        ValueError: it is none.
    """
    text = tag.replace("_", "-")
    if len(text) > TAG_CHARACTERS or not _TAG.fullmatch(text):
        raise ValueError("must be a language tag such as de, de-AT or zh-Hant-TW")
    language, *rest = text.split("-")
    return "-".join([language.lower(), *map(_subtag, rest)])


def chosen(wanted: str | None, tenant: str, default: str, available: Collection[str]) -> str:
    """The locale among `available` that is used; `default` is one of them.

    All tags are normalised, but the tenant's may be anything.
    """
    for tag in (wanted, _known(tenant)):
        for candidate in _ever_wider(tag or ""):
            if candidate in available:
                return candidate
    return default


def _known(tag: str) -> str:
    try:
        return normalised(tag)
    except ValueError:
        return ""


def _ever_wider(tag: str) -> Iterator[str]:
    while tag:
        yield tag
        tag, _, _ = tag.rpartition("-")


def _subtag(text: str) -> str:
    if len(text) == 4 and text.isalpha():
        return text.title()
    return text.upper() if len(text) == 2 else text.lower()
