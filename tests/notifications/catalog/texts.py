"""Templates for tests, made as a tenant's backend makes them."""

from __future__ import annotations

from typing import Any

from tests.tenancy import Caller

VARIABLES: dict[str, Any] = {
    "type": "object",
    "required": ["reset_url"],
    "properties": {
        "reset_url": {"type": "string"},
        "user_name": {"type": "string", "default": "there"},
    },
}
EN = {
    "subject": "Reset it, {{ user_name }}",
    "html": '<p>Hello {{ user_name }}, <a href="{{ reset_url }}">here</a>.</p>',
    "text": "Hello {{ user_name }}: {{ reset_url }}",
}
DE = {"subject": "Neues Passwort", "text": "Hallo {{ user_name }}: {{ reset_url }}"}
DATA = {"reset_url": "https://a.example/r"}


def body(**fields: Any) -> dict[str, Any]:
    return {
        "slug": "auth.reset",
        "channel": "email",
        "name": "Password reset",
        "category": "transactional",
        "default_locale": "en",
        "variables": VARIABLES,
        "locales": {"en": EN, "de": DE},
        **fields,
    }


def sms(**fields: Any) -> dict[str, Any]:
    text = {"en": {"text": "Hi {{ user_name }}: {{ reset_url }}"}}
    return body(**({"channel": "sms", "locales": text} | fields))


def made(caller: Caller, given: dict[str, Any] | None = None, *, publish: bool = True) -> str:
    """The id of a template of this body, published unless said otherwise."""
    said = caller.post("/v1/templates", given or body())
    assert said.status == 201, said.body
    shown = str(said.body["id"])
    if publish:
        done = caller.post(f"/v1/templates/{shown}/publish", {"version": 1})
        assert done.status == 200, done.body
    return shown
