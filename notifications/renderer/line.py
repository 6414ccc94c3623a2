"""One line: what a subject is made to be, by whomever it is rendered."""

from __future__ import annotations

import re

ONE_LINE = frozenset({"subject"})
"""Parts that are one line."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def one_line(text: str) -> str:
    """White space and control characters as one space, so that data cannot begin a header."""
    return " ".join(_CONTROL.sub(" ", text).split())
