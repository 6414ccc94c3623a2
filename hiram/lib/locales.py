"""Locales: language tags (BCP 47) in one spelling."""

from __future__ import annotations

import re

LOCALE_CHARACTERS = 35
"""RFC 5646, section 4.4.1: room for the longest tags in use."""

# Language, then script, then region, then variants: what texts are kept by.
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:[-_](?P<script>[a-z]{4}))?"
    r"(?:[-_](?P<region>[a-z]{2}|[0-9]{3}))?(?P<variants>(?:[-_][a-z0-9]{5,8})*)",
    re.ASCII | re.IGNORECASE,
)


def locale(text: str) -> str:
    """The tag in its usual spelling: `de-AT`, `zh-Hant-TW`.

    Raises:
        ValueError: it is none of a language with an optional script, region and variants.
    """
    found = _TAG.fullmatch(text) if len(text) <= LOCALE_CHARACTERS else None
    if found is None:
        raise ValueError("must be a language tag such as en, de-AT or zh-Hant")
    parts = [
        found["language"].lower(),
        (found["script"] or "").title(),
        (found["region"] or "").upper(),
        *found["variants"].lower().replace("_", "-").split("-"),
    ]
    return "-".join(filter(None, parts))
