"""A quick look at data: whether it surely fits a schema of the usual keywords. Pure.

Nearly all data fits, and a whole validation takes twenty times as long. What is not surely right
is left to that: it says what is wrong, and knows the rare keywords.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Fits = Callable[[Any], bool]

_NO_RULES = frozenset({"default", "title", "description", "examples", "format", "deprecated",
                       "$schema", "$comment"})  # fmt: skip
_PYTHON: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float),
    "object": (dict,), "array": (list,), "null": (type(None),),
}  # fmt: skip
_LENGTHS = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}


def quick(schema: Any) -> Fits | None:
    """What tells it, or None for a schema with other keywords."""
    if not isinstance(schema, dict):
        return _anything if schema is True else None
    rules = set(schema) - _NO_RULES
    if not rules:
        return _anything
    kind = schema.get("type")
    if not isinstance(kind, str):
        return None
    if kind == "object":
        return _object(schema) if rules <= {"type", "properties", "required"} else None
    lengths = _LENGTHS.get(kind, ())
    if not rules <= {"type", *lengths, *(("items",) if kind == "array" else ())}:
        return None
    return _plain(schema, _PYTHON[kind], lengths)


def _anything(value: Any) -> bool:
    return True


def _plain(schema: Mapping[str, Any], kinds: tuple[type, ...], lengths: tuple[str, ...]) -> Fits:
    if not lengths:
        return lambda value: type(value) in kinds
    least, most = (schema.get(name) for name in lengths)
    items = quick(schema.get("items", True))

    def fits(value: Any) -> bool:
        return (
            type(value) in kinds
            and (least is None or len(value) >= least)
            and (most is None or len(value) <= most)
            and (kinds != (list,) or (items is not None and all(map(items, value))))
        )

    return fits


def _object(schema: Mapping[str, Any]) -> Fits | None:
    required = frozenset(schema.get("required", ()))
    checks: dict[str, Fits] = {}
    for name, inner in schema.get("properties", {}).items():
        check = quick(inner)
        if check is None:
            return None
        if check is not _anything:
            checks[name] = check

    def fits(value: Any) -> bool:
        return (
            type(value) is dict
            and required <= value.keys()
            and all(name not in value or check(value[name]) for name, check in checks.items())
        )

    return fits
