"""`issue_key`: a new API key, shown once."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from hiram.lib import ids, rfc3339
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError, CommandParser
from tenants.auth import issue_key
from tenants.management.arguments import find_tenant
from tenants.models import ALL_SCOPES, ApiKey

_NAME_CHARACTERS = 100
_DURATION = re.compile(r"(\d{1,9})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Command(Base):
    """See the module."""

    help = "Issue an API key. Its text is printed here and never again."
    examples = 'manage.py issue_key "Example Ltd" --name shop --expires 90d'

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, and what it may do."""
        parser.add_argument("tenant", metavar="TENANT", help="A tenant's id (tnt_...) or name.")
        parser.add_argument("--name", default="default", help="What the key is for.")
        parser.add_argument(
            "--test", action="store_true", help="A test key: it never reaches a real provider."
        )
        parser.add_argument(
            "--scopes",
            metavar="A,B",
            default=",".join(ALL_SCOPES),
            help=f"What it may do, of {', '.join(ALL_SCOPES)}. Default: all.",
        )
        parser.add_argument(
            "--expires",
            metavar="WHEN",
            help="When it ends: 30d (also m, h, w) from now, or 2026-12-31T00:00:00Z."
            " Default: never.",
        )

    def work(self, *, tenant: str, name: str, scopes: str, **options: Any) -> dict[str, Any]:
        """Issue it."""
        name = name.strip()
        if not 0 < len(name) <= _NAME_CHARACTERS or not name.isprintable():
            raise CommandError(f"--name must be one line of 1 to {_NAME_CHARACTERS} characters.")
        key, text = issue_key(
            find_tenant(tenant),
            name=name,
            mode=ApiKey.Mode.TEST if options["test"] else ApiKey.Mode.LIVE,
            scopes=_scopes(scopes),
            expires_at=_expiry(options["expires"], timezone.now()),
        )
        return {
            "key_id": ids.show("key", key.pk),
            "api_key": text,
            "tenant_id": ids.show("tnt", key.tenant_id),
            "name": key.name,
            "mode": key.mode,
            "scopes": key.scopes,
            "expires_at": rfc3339.show_if(key.expires_at),
        }


def _scopes(text: str) -> tuple[str, ...]:
    asked = {word.strip() for word in text.split(",")}
    if unknown := sorted(asked - set(ALL_SCOPES)):
        raise CommandError(f"There is no scope {unknown[0]!r}; there are {', '.join(ALL_SCOPES)}.")
    return tuple(scope for scope in ALL_SCOPES if scope in asked)


def _expiry(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    try:
        if match := _DURATION.fullmatch(text):
            moment = now + timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            moment = rfc3339.parse(text)
    except (ValueError, OverflowError) as error:
        raise CommandError(
            "--expires takes a duration such as 30d, or a time such as 2026-12-31T00:00:00Z."
        ) from error
    if moment <= now:
        raise CommandError("--expires must be in the future.")
    return moment
