"""Template sources with colours: Liquid's tags and outputs, and HTML's tags. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Possessive throughout, and each piece may end with the text: linear whatever the source.
_PIECES = re.compile(
    r"(?P<tag>\{%(?:[^%]|%(?!\}))*+(?:%\})?)"
    r"|(?P<output>\{\{(?:[^}]|\}(?!\}))*+(?:\}\})?)"
    r"|(?P<comment><!--(?:[^-]|-(?!->))*+(?:-->)?)"
    r"|(?P<html></?[A-Za-z][^<>{]*+>?)"
)


def pieces(source: str) -> Iterator[tuple[str, str]]:
    """The source in pieces, each with its kind; "" for plain text."""
    at = 0
    for found in _PIECES.finditer(source):
        if found.start() > at:
            yield "", source[at : found.start()]
        yield found.lastgroup or "", found[0]
        at = found.end()
    if at < len(source):
        yield "", source[at:]
