"""Values for declared variables: defaults put in, what is missing or wrong named. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry

from hiram.lib.problems import FieldError, pointer
from notifications.catalog.quick import quick

STEPS = 20_000
"""Keywords applied to values, of one recipient's data: what is over it is refused."""

DEPTH = 30
DEFAULTS = 2_000
"""Schemas looked through for defaults, references followed."""

ERRORS_MOST = 20

_DEFINITIONS = "#/$defs/"
_NOTHING: Any = object()
_ARTICLES = {"integer": "a whole number", "array": "a list", "object": "an object", "null": "null",
             "boolean": "true or false"}  # fmt: skip

_left: ContextVar[list[int]] = ContextVar("steps left")


class _TooMuch(Exception):
    """The schema asks for more work on this data than anybody means."""


def _counted(keyword: Callable[..., Any]) -> Callable[..., Any]:
    def apply(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        left = _left.get()
        left[0] -= 1 + (len(value) if isinstance(value, list) else 0)
        if left[0] < 0:
            raise _TooMuch
        yield from keyword(validator, value, instance, schema) or ()

    return apply


def _unique(keyword: Callable[..., Any]) -> Callable[..., Any]:
    counted = _counted(keyword)

    def apply(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if isinstance(instance, list):
            # What cannot be sorted is compared each with each.
            _left.get()[0] -= len(instance) ** 2
        yield from counted(validator, value, instance, schema)

    return apply


_Bounded: Any = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        name: (_unique if name == "uniqueItems" else _counted)(keyword)
        for name, keyword in Draft202012Validator.VALIDATORS.items()
    },
)


@dataclass(frozen=True, slots=True)
class _Default:
    """What stands for a property that is left out, and for those inside it."""

    value: Any = _NOTHING
    inside: Mapping[str, _Default] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    each: Mapping[str, _Default] = field(default_factory=dict)


class Variables:
    """The declared variables of one version, compiled once and used for many recipients."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """`schema` is one that `declared.flaws` found nothing wrong with."""
        self._schema = schema
        left = [DEFAULTS]
        self._defaults = _defaults(schema, schema, left)
        self.is_too_wide = left[0] < 0
        self._validator = _Bounded(schema, registry=Registry()) if schema else None
        self._fits = quick(schema)
        self.names = frozenset(schema.get("properties", {}))

    def filled(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data with the declared defaults where it says nothing."""
        return _fill(self._defaults, data) if self._defaults else dict(data)

    def errors(self, data: Mapping[str, Any]) -> list[FieldError]:
        """What is missing or wrong; pointers into the data."""
        if self._validator is None or (self._fits is not None and self._fits(data)):
            return []
        _left.set([STEPS])
        try:
            found = [
                error for _, error in zip(range(ERRORS_MOST), self._found(data), strict=False)
            ]
        except (_TooMuch, RecursionError):
            return [FieldError("", "too_complex", "The declared variables are too much to check.")]
        return list(dict.fromkeys(found))

    def _found(self, data: Mapping[str, Any]) -> Iterator[FieldError]:
        assert self._validator is not None  # noqa: S101  (for the type alone)
        for error in self._validator.iter_errors(data):
            yield from _told(error)


def default_flaws(schema: Mapping[str, Any]) -> list[FieldError]:
    """Declared defaults that do not fit their own declaration; pointers into the schema."""
    if Variables(schema).is_too_wide:
        return [
            FieldError(
                "/$defs",
                "too_complex",
                "The references lead to too many schemas, or back to themselves.",
            )
        ]
    return [
        error for _, error in zip(range(ERRORS_MOST), _unfit(schema, schema, ()), strict=False)
    ]


def _unfit(
    schema: Any, root: Mapping[str, Any], path: tuple[str | int, ...]
) -> Iterator[FieldError]:
    if not isinstance(schema, dict):
        return
    if "default" in schema:
        # With the root's definitions, to which references lead.
        one = schema | ({"$defs": root["$defs"]} if "$defs" in root else {})
        if not path:
            text = "Defaults are those of single variables."
            yield FieldError("/default", "invalid", text)
        elif Variables(one).errors(schema["default"]):
            text = "The default does not fit its own declaration."
            yield FieldError(pointer(*path, "default"), "invalid", text)
    for name in ("properties", "$defs"):
        for key, inner in schema.get(name, {}).items():
            yield from _unfit(inner, root, (*path, name, key))
    yield from _unfit(schema.get("items"), root, (*path, "items"))


def _defaults(
    schema: Mapping[str, Any], root: Mapping[str, Any], left: list[int], depth: int = 0
) -> dict[str, _Default]:
    """The defaults of an object's properties, those of its reference and `allOf` included."""
    found: dict[str, _Default] = {}
    left[0] -= 1
    if left[0] < 0 or depth > DEPTH:  # references into themselves, or to ever more of them
        left[0] = -1
        return found
    target = root.get("$defs", {}).get(str(schema.get("$ref")).removeprefix(_DEFINITIONS))
    for part in (target, *schema.get("allOf", ())):
        if isinstance(part, dict):
            found |= _defaults(part, root, left, depth + 1)
    for name, inner in schema.get("properties", {}).items():
        if isinstance(inner, dict) and (default := _default(inner, root, left, depth + 1)):
            found[name] = default
    return found


def _default(
    schema: Mapping[str, Any], root: Mapping[str, Any], left: list[int], depth: int
) -> _Default | None:
    items = schema.get("items")
    found = _Default(
        schema.get("default", _NOTHING),
        _defaults(schema, root, left, depth),
        frozenset(schema.get("required", ())),
        _defaults(items, root, left, depth) if isinstance(items, dict) else {},
    )
    return found if found.value is not _NOTHING or found.inside or found.each else None


def _fill(defaults: Mapping[str, _Default], data: Mapping[str, Any]) -> dict[str, Any]:
    filled = dict(data)
    for name, default in defaults.items():
        given = filled.get(name, default.value)
        if isinstance(given, dict):
            filled[name] = _fill(default.inside, given)
        elif isinstance(given, list) and default.each:
            filled[name] = [_fill(default.each, i) if isinstance(i, dict) else i for i in given]
        elif given is not _NOTHING:
            filled[name] = given
        else:
            made = _fill(default.inside, {})
            # Not an object of which something needed is missing still: then it is missing itself.
            if made and default.required <= made.keys():
                filled[name] = made
    return filled


def _told(error: ValidationError) -> Iterator[FieldError]:
    where: list[str | int] = list(error.absolute_path)
    says: Any = error.validator_value
    schema: Any = error.schema
    instance: Any = error.instance
    if error.validator == "required":
        for name in says:
            if name not in instance:
                yield _missing(where, name)
    elif error.validator == "additionalProperties" and isinstance(instance, dict):
        declared = schema.get("properties", {})
        for name in instance:
            if name not in declared:
                text = f"There is no variable {_name(where, name)}."
                yield FieldError(pointer(*where, name), "unknown_field", text)
    elif error.validator == "type":
        text = f"The variable {_name(where)} must be {_kinds(says)}."
        yield FieldError(pointer(*where), "type", text)
    else:
        text = f"The variable {_name(where)} is not as its {error.validator} says."
        yield FieldError(pointer(*where), "invalid", text)


def _missing(where: list[str | int], name: str) -> FieldError:
    text = f"The variable {_name(where, name)} is needed."
    return FieldError(pointer(*where, name), "required", text)


def _name(where: Iterable[str | int], *more: str) -> str:
    """`order.items[0].name`; no more than names that the template or the caller gave."""
    text = ""
    for step in (*where, *more):
        text += f"[{step}]" if isinstance(step, int) else f".{step[:128]}" if text else step[:128]
    return text or "data"


def _kinds(kinds: str | list[str]) -> str:
    names = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(_ARTICLES.get(kind, f"a {kind}") for kind in names)
