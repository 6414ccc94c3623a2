"""Links that recipients get: to unsubscribe, and to their preferences.

A token is an id of ours and its digest. Nothing of a person can be read in it, and it opens nothing
but what it names: one notification's category, or one user's preferences.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.conf import settings

from hiram.lib.signing import BadToken, sign, unsign

UNSUBSCRIBE, PREFERENCES = "unsubscribe", "preferences"
_PATHS = {UNSUBSCRIBE: "u", PREFERENCES: "preferences"}


def link(purpose: str, key: UUID) -> str:
    """The address to unsubscribe from what a notification is, or of a user's preferences."""
    return f"{settings.PUBLIC_URL}/{_PATHS[purpose]}/{token(purpose, key)}"


def token(purpose: str, key: UUID) -> str:
    """The last part of such an address."""
    return sign(key.bytes, secret=settings.SECRET_KEY, purpose=purpose)


def named(purpose: str, text: str) -> UUID | None:
    """What a token names, if it was made here for this."""
    try:
        return UUID(bytes=unsign(text, secret=settings.SECRET_KEY, purpose=purpose))
    except (BadToken, ValueError):
        return None


def with_unsubscribe(headers: Mapping[str, str], notification_id: UUID) -> dict[str, str]:
    """A mail's headers with those of RFC 8058, unless the tenant has given its own."""
    if any(name.lower() == "list-unsubscribe" for name in headers):
        return dict(headers)
    others = {k: v for k, v in headers.items() if k.lower() != "list-unsubscribe-post"}
    return others | {
        "List-Unsubscribe": f"<{link(UNSUBSCRIBE, notification_id)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
