"""Hiram's own mails: they walk the street as notifications of the system tenant."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.template.loader import render_to_string

from notifications.accept import send_own
from notifications.idempotency import Answer, Key
from tenants.models import Tenant


def send(recipient: str, subject: str, template: str, **values: Any) -> UUID:
    """Accept one mail, made from `mails/<template>.txt` and `.html`.

    Not inside a transaction: what is accepted must be committed.

    Without a provider the mail is kept and goes out when there is one.
    """
    [made] = _accept(None, recipient, subject, template, values).body
    return UUID(made)


def send_once(key: str, recipient: str, subject: str, template: str, **values: Any) -> bool:
    """Accept one mail unless one was accepted under this key; whether it was.

    As `send` otherwise. A key is remembered as long as an Idempotency-Key of the API.
    """
    known = Key(key, hashlib.sha256(key.encode()).digest())
    return not _accept(known, recipient, subject, template, values).replayed


def _accept(
    key: Key | None, recipient: str, subject: str, template: str, values: dict[str, Any]
) -> Answer:
    ensure_system_tenant()
    shown = {"public_url": settings.PUBLIC_URL, **values}
    return send_own(
        channel="email",
        recipient=recipient,
        subject=" ".join(subject.split()),
        body=render_to_string(f"mails/{template}.txt", shown),
        html=render_to_string(f"mails/{template}.html", shown),
        key=key,
    )


def absolute(path: str) -> str:
    """A link for a mail: from the configured address, never from a request's Host header."""
    return f"{settings.PUBLIC_URL}{path}"


def ensure_system_tenant() -> Tenant:
    """The tenant in whose name Hiram's own mails go, made when it is missing."""
    try:
        return Tenant.objects.get_or_create(is_system=True, defaults={"name": "Hiram"})[0]
    except IntegrityError:
        # A customer has the name.
        return Tenant.objects.get_or_create(is_system=True, defaults={"name": "Hiram (system)"})[0]
