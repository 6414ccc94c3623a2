"""Declared variables: which JSON Schemas (draft 2020-12) may declare them. Pure.

A schema is a tenant's and is applied by us to what a tenant sends, so it may name nothing outside
itself and no regular expression, which could search for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from hiram.lib.problems import FieldError, pointer

SCHEMA_OCTETS = 64 * 1024
SCHEMA_DEPTH = 12
RESERVED = ("brand", "content")
"""What templates see under these names is not the sender's."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ONE = (
    "additionalProperties", "items", "contains", "not", "if", "then", "else", "propertyNames",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "$defs", "dependentSchemas")
_PLAIN = frozenset({
    "$schema", "$ref", "$comment", "type", "enum", "const", "required", "default", "title",
    "description", "examples", "deprecated", "readOnly", "writeOnly", "format", "minLength",
    "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minProperties",
    "maxProperties", "dependentRequired", "contentEncoding", "contentMediaType",
})  # fmt: skip
_KNOWN = _PLAIN | {*_ONE, *_LISTS, *_NAMED}

Path = tuple[str | int, ...]


def flaws(schema: Any) -> list[FieldError]:
    """Why this schema cannot declare variables, with pointers into it; empty if it can."""
    if not isinstance(schema, dict):
        return [FieldError("", "type", "This must be an object.")]
    if len(json.dumps(schema, ensure_ascii=False).encode("utf-8", "replace")) > SCHEMA_OCTETS:
        text = f"This may have at most {SCHEMA_OCTETS} octets."
        return [FieldError("", "too_long", text)]
    found = [*_walk(schema, ()), *_whole(schema)]
    if not found:
        found = list(_against_dialect(schema))
    return found[:20]


def _whole(schema: Mapping[str, Any]) -> Iterator[FieldError]:
    if schema and schema.get("type") != "object":
        yield FieldError("/type", "not_an_option", "This must be object.")
    if schema.get("$schema", _DIALECT) != _DIALECT:
        yield FieldError("/$schema", "not_an_option", f"This must be {_DIALECT}.")
    declared = schema.get("properties")
    for name in RESERVED:
        if isinstance(declared, dict) and name in declared:
            text = f"{name} is given to templates by Hiram."
            yield FieldError(pointer("properties", name), "reserved", text)


def _against_dialect(schema: Mapping[str, Any]) -> Iterator[FieldError]:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        text = "This is not valid in JSON Schema, draft 2020-12."
        yield FieldError(pointer(*error.absolute_path), "invalid", text)


def _walk(schema: Any, path: Path) -> Iterator[FieldError]:
    if isinstance(schema, bool):
        return
    if len(path) > 2 * SCHEMA_DEPTH:
        text = f"Objects may be declared at most {SCHEMA_DEPTH} levels deep."
        yield FieldError(pointer(*path), "too_deep", text)
        return
    if not isinstance(schema, dict):
        yield FieldError(pointer(*path), "type", "This must be a schema.")
        return
    for name, value in schema.items():
        if name not in _KNOWN and not name.startswith("x-"):
            text = "This keyword is not supported here; names that begin with x- are free."
            yield FieldError(pointer(*path, name), "unknown_field", text)
        elif name == "$ref" and not (isinstance(value, str) and value.startswith("#/$defs/")):
            text = "A reference must lead to this schema's own $defs, such as #/$defs/address."
            yield FieldError(pointer(*path, name), "invalid", text)
        else:
            yield from _inside(name, value, (*path, name))
    yield from _missing_reference(schema, path)


def _inside(name: str, value: Any, path: Path) -> Iterator[FieldError]:
    if name in _ONE:
        yield from _walk(value, path)
    elif name in _LISTS and isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*path, index))
    elif name in _NAMED and isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key))


def _missing_reference(schema: Mapping[str, Any], path: Path) -> Iterator[FieldError]:
    if path:
        return
    known = schema.get("$defs")
    names = set(known) if isinstance(known, dict) else set()
    for where, target in _references(schema, ()):
        if target.removeprefix("#/$defs/") not in names:
            yield FieldError(pointer(*where), "invalid", "There is no such entry in $defs.")


def _references(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref" and isinstance(inner, str) and inner.startswith("#/$defs/"):
                yield (*path, name), inner
            elif name not in ("default", "enum", "const", "examples"):
                yield from _references(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _references(inner, (*path, index))
