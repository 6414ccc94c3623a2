"""JSON as RFC 8259 and nothing more: what other readers let pass or crash on is refused.

No duplicate names, no NaN or Infinity (also not by overflow), no NUL and no lone surrogate
(PostgreSQL stores neither), integers of 64 bits, bounded depth, a bounded number of values.
"""

from __future__ import annotations

import json
import math
import re
from itertools import islice
from typing import Any

DEPTH = 20
TOKENS = 1_000_000
"""A value can take 20 times the memory of its text, so their number is bounded too."""

_INTEGER_DIGITS = 19
_LARGEST = 2**63 - 1
# Possessive, and content with a missing end: linear in the length whatever the text.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?|[,\[{]', re.DOTALL)


class Malformed(ValueError):
    """The text is not acceptable JSON; the message says why."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Malformed(f"the name {name[:80]!r} stands twice in one object")
            seen.add(name)
    return found


def _constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Malformed("a number is out of range")
    return value


def _integer(text: str) -> int:
    # The length first: Python refuses thousands of digits in words of its own.
    if len(text) > _INTEGER_DIGITS + 1 or abs(int(text)) > _LARGEST:
        raise Malformed("a whole number has more than 64 bits")
    return int(text)


_decoder = json.JSONDecoder(
    object_pairs_hook=_pairs,
    parse_constant=_constant,
    parse_float=_float,
    parse_int=_integer,
    strict=True,
)


def loads(raw: bytes) -> Any:
    """The value of UTF-8 JSON text.

    Raises:
        Malformed: see the module.
    """
    _check_number(raw)
    try:
        value = _decoder.decode(raw.decode("utf-8"))
    except Malformed:
        raise
    except UnicodeDecodeError as error:
        raise Malformed("the body is not UTF-8") from error
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Malformed(
            f"the body is not JSON: {error.msg.removesuffix(' at')} at {where}"
        ) from error
    if raw.count(b"{") + raw.count(b"[") > DEPTH and isinstance(value, dict | list):
        _check_depth(value)
    if b"\\u" in raw:
        _check_strings(value)
    return value


def _check_number(raw: bytes) -> None:
    # Texts may be full of commas, so where there are many the exact count decides.
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") + raw.count(b'"') <= TOKENS:
        return
    if sum(1 for _ in islice(_TOKEN.finditer(raw), TOKENS + 1)) > TOKENS:
        raise Malformed("the body holds too many values")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
    if level:
        raise Malformed(f"the body is nested more than {DEPTH} levels deep")


def _check_strings(value: Any) -> None:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo.extend(item)
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, str):
            if "\x00" in item:
                raise Malformed("a string holds a NUL character")
            try:
                item.encode()
            except UnicodeEncodeError as error:
                raise Malformed("a string holds half of a surrogate pair") from error
