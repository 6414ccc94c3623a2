"""A provider's declared fields: checked on the way in, opened for a call on the way out."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from delivery.callback_url import callback_url
from delivery.driver import Account, Driver, Message
from delivery.return_path import return_path
from delivery.shelves import drivers
from hiram.lib.findings import MOST
from hiram.lib.problems import FieldError, pointer
from tenants.models import Provider

JSON_TYPES: dict[Any, tuple[type, str]] = {
    str: (str, "a string"),
    int: (int, "a whole number"),
    bool: (bool, "true or false"),
    tuple[str, ...]: (list, "a list of strings"),
}
TEXT_CHARACTERS = 4_096
NAME_CHARACTERS = 128
LARGEST = 2**31 - 1


def account(provider: Provider) -> Account:
    """The provider opened for one call.

    Raises:
        KeyError: its driver is not installed any more.
        SealBroken: the credentials cannot be read.
        TypeError: the stored fields do not fit the driver's declaration any more.
    """
    driver = drivers[provider.driver]
    return Account(
        id=str(provider.pk),
        revision=provider.updated_at.isoformat(),
        settings=_filled(driver.settings, provider.settings),
        credentials=_filled(driver.credentials, provider.open()),
        callback_url=reports_to(provider) or "",
    )


def reports_to(provider: Provider) -> str | None:
    """Where its vendor is to report to; None for a driver that gets no receipts."""
    driver = drivers.get(provider.driver)
    if driver is None or not driver.gives_receipts:
        return None
    return callback_url(provider.driver, provider.pk)


def check(
    driver: Driver, settings: dict[str, Any], credentials: dict[str, Any]
) -> list[FieldError]:
    """What is wrong with the fields, by JSON pointer below the provider's body: the first of it."""
    errors = [
        *_check(driver.settings, settings, "settings"),
        *_check(driver.credentials, credentials, "credentials"),
    ]
    if not errors and hasattr(driver, "check"):
        found = driver.check(
            _filled(driver.settings, settings), _filled(driver.credentials, credentials)
        )
        errors = [FieldError(_place(driver, name), "invalid", text) for name, text in found]
    return errors[:MOST]


def _place(driver: Driver, name: str) -> str:
    secret = name in (field.name for field in dataclasses.fields(driver.credentials))
    return pointer("credentials" if secret else "settings", name)


def with_sender(message: Message, opened: Account) -> Message:
    """The message with the account's own sender where it names none, and that sender's name unless
    it has one; with an address of its own for bounces, where the account has a domain for them."""
    own = getattr(opened.settings, "from_email", "") or getattr(opened.settings, "from_number", "")
    named = message.sender in ("", own)
    domain = getattr(opened.settings, "return_domain", "")
    return dataclasses.replace(
        message,
        sender=message.sender or own,
        sender_name=message.sender_name
        or (getattr(opened.settings, "from_name", "") if named else ""),
        return_path=return_path(message.attempt_id, domain) if domain else "",
    )


def schema(declared: type[Any], *, secret: bool = False) -> dict[str, Any]:
    """The declared fields as JSON Schema (draft 2020-12), for whoever makes a form of them."""
    types = typing.get_type_hints(declared)
    fields = dataclasses.fields(declared)
    return {
        "type": "object",
        "properties": {f.name: _property(f, types[f.name], secret) for f in fields},
        "required": [f.name for f in fields if f.metadata.get("required")],
        "additionalProperties": False,
    }


def _property(field: dataclasses.Field[Any], kind: Any, secret: bool) -> dict[str, Any]:
    text = {"type": "string", "maxLength": TEXT_CHARACTERS}
    shapes: dict[Any, dict[str, Any]] = {
        str: text,
        int: {"type": "integer"},
        bool: {"type": "boolean"},
        tuple[str, ...]: {"type": "array", "items": text},
    }
    described = {
        "title": field.metadata.get("label"),
        "description": field.metadata.get("help"),
        "enum": list(field.metadata.get("choices") or ()),
        "writeOnly": secret,
    }
    found = shapes[kind] | {name: value for name, value in described.items() if value}
    if field.default is not dataclasses.MISSING and not secret:
        default = field.default
        found["default"] = list(default) if isinstance(default, tuple) else default
    return found


def _filled(declared: type[Any], values: dict[str, Any]) -> Any:
    return declared(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
    )


def _check(declared: type[Any], values: dict[str, Any], under: str) -> list[FieldError]:
    fields = {field.name: field for field in dataclasses.fields(declared)}
    types = typing.get_type_hints(declared)
    errors = [
        FieldError(
            pointer(under, name[:NAME_CHARACTERS]),
            "unknown_field",
            "This driver has no such field.",
        )
        for name in values
        if name not in fields
    ]
    for name, field in fields.items():
        if name in values:
            errors += _check_value(values[name], types[name], field, pointer(under, name))
        elif field.metadata.get("required"):
            errors.append(FieldError(pointer(under, name), "required", "This field is needed."))
    return errors


def _check_value(
    value: Any, kind: Any, field: dataclasses.Field[Any], where: str
) -> list[FieldError]:
    wanted, said = JSON_TYPES[kind]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        return [FieldError(where, "type", f"This must be {said}.")]
    words = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    for word in words:
        if not isinstance(word, str):
            return [FieldError(where, "type", f"This must be {said}.")]
        if len(word) > TEXT_CHARACTERS or any(ord(c) < 32 or ord(c) == 127 for c in word):
            return [FieldError(where, "invalid", "This must be a short line of text.")]
    if field.metadata.get("required") and value in ("", []):
        return [FieldError(where, "required", "This field is needed.")]
    if isinstance(value, int) and abs(value) > LARGEST:
        return [FieldError(where, "out_of_range", f"This must not exceed {LARGEST}.")]
    choices = field.metadata.get("choices") or ()
    if choices and value not in choices and value != field.default:
        return [FieldError(where, "not_an_option", f"This must be one of {', '.join(choices)}.")]
    return []
