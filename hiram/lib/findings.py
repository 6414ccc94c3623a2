"""What is wrong with a body, field by field: pydantic's findings in words that a caller can use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from hiram.lib.problems import FieldError, pointer

MOST = 20
"""Findings told of one body or batch item: an answer must not outgrow its request."""

_STEP_CHARACTERS = 128

_CODES = {
    "bool_type": "type",
    "dict_type": "type",
    "extra_forbidden": "unknown_field",
    "float_type": "type",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "int_type": "type",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "list_type": "type",
    "literal_error": "not_an_option",
    "missing": "required",
    "model_attributes_type": "type",
    "model_type": "type",
    "string_pattern_mismatch": "invalid",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "string_type": "type",
    "too_long": "too_many",
    "too_short": "too_few",
    "union_tag_invalid": "not_an_option",
    "union_tag_not_found": "required",
    "value_error": "invalid",
}

_TEXTS: dict[str, str | Callable[[Mapping[str, Any]], str]] = {
    "bool_type": "This must be true or false",
    "dict_type": "This must be an object",
    "extra_forbidden": "There is no such field here",
    "float_type": "This must be a number",
    "greater_than": lambda context: f"This must be more than {context['gt']}",
    "greater_than_equal": lambda context: f"This must be at least {context['ge']}",
    "int_type": "This must be a whole number",
    "less_than": lambda context: f"This must be less than {context['lt']}",
    "less_than_equal": lambda context: f"This must be at most {context['le']}",
    "list_type": "This must be a list",
    "literal_error": lambda context: _options(context["expected"].replace(" or ", ", ")),
    "missing": "This field is needed",
    "model_attributes_type": "This must be an object",
    "model_type": "This must be an object",
    "string_pattern_mismatch": lambda context: f"This must match {context['pattern']}",
    "string_too_long": lambda context: f"This may have at most {_most(context)}",
    "string_too_short": lambda context: _at_least(context["min_length"], "characters"),
    "string_type": "This must be a string",
    "too_long": lambda context: f"This may have at most {context['max_length']} entries",
    "too_short": lambda context: _at_least(context["min_length"], "entries"),
    "union_tag_invalid": lambda context: _options(context["expected_tags"]),
    "union_tag_not_found": "This field is needed",
}


def field_errors(
    error: ValidationError, *under: str | int, tag: str | None = None
) -> list[FieldError]:
    """The first findings as pointers into the body, which stands at `under` in the request.

    `tag` names the discriminating field of a union, which pydantic puts into each path by value.
    """
    found = error.errors(include_url=False, include_input=False)[:MOST]
    return [
        FieldError(
            pointer(*under, *_steps(item["loc"], item["type"], tag)),
            _CODES.get(item["type"], item["type"]),
            _text(item["type"], item["msg"], item.get("ctx", {})),
        )
        for item in found
    ]


def _steps(path: tuple[str | int, ...], kind: str, tag: str | None) -> list[str | int]:
    steps = [s[:_STEP_CHARACTERS] if isinstance(s, str) else s for s in path]
    if tag is not None:
        steps = [tag] if kind.startswith("union_tag_") else steps[1:]
    # pydantic marks a finding about a name, not its value, by a last step below that name.
    return steps[:-1] if len(steps) > 2 and steps[-1] == "[key]" else steps


def _text(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "value_error":
        # Our own checks say "must ..."; a library's say a whole sentence.
        own = message.removeprefix("Value error, ")
        sentence = own if own[:1].isupper() else f"This {own}"
    else:
        text = _TEXTS.get(kind, message.replace("Input should", "This must"))
        sentence = text if isinstance(text, str) else text(context)
    return f"{sentence.rstrip('.')}."


def _options(quoted: str) -> str:
    return f"This must be one of {quoted.replace(chr(39), '')}"


def _most(context: Mapping[str, Any]) -> str:
    if "octets" in context:
        return f"{context['octets']} octets in UTF-8"
    return f"{context['max_length']} characters"


def _at_least(least: int, what: str) -> str:
    return "This must not be empty" if least == 1 else f"This needs at least {least} {what}"
