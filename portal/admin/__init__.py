"""The portal's admin site; importing it registers every class.

Django's admin discovers this package by its name.
"""

from __future__ import annotations

from portal.admin import (
    blocks,
    dead_letters,
    keys,
    members,
    news,
    notifications,
    partials,
    people,
    providers,
    site,
    suppressions,
    templates,
    users,
    webhooks,
)

__all__ = [
    "blocks",
    "dead_letters",
    "keys",
    "members",
    "news",
    "notifications",
    "partials",
    "people",
    "providers",
    "site",
    "suppressions",
    "templates",
    "users",
    "webhooks",
]
