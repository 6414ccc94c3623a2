"""`list_keys`: every key, never its text."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from hiram.lib import ids, rfc3339
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandParser, table
from tenants.management.arguments import find_tenant
from tenants.models import ApiKey

_COLUMNS = ("id", "tenant", "name", "prefix", "status", "scopes", "expires_at", "last_used_at")


class Command(Base):
    """See the module."""

    help = "List API keys, of one tenant or of all, oldest first."
    examples = 'manage.py list_keys "Example Ltd"'

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose."""
        parser.add_argument(
            "tenant", metavar="TENANT", nargs="?", help="A tenant's id (tnt_...) or name."
        )

    def work(self, *, tenant: str | None, **options: Any) -> dict[str, Any]:
        """Read them."""
        keys = ApiKey.objects.select_related("tenant").order_by("tenant__name", "created_at", "id")
        if tenant is not None:
            keys = keys.filter(tenant=find_tenant(tenant))
        now = timezone.now()
        return {"data": [_shown(key, now) for key in keys]}

    def show(self, facts: dict[str, Any]) -> str:
        """As a table."""
        return table(facts["data"], _COLUMNS)


def _shown(key: ApiKey, now: datetime) -> dict[str, Any]:
    return {
        "id": ids.show("key", key.pk),
        "tenant_id": ids.show("tnt", key.tenant_id),
        "tenant": key.tenant.name,
        "name": key.name,
        "prefix": key.prefix,
        "mode": key.mode,
        "status": _status(key, now),
        "scopes": key.scopes,
        "created_at": rfc3339.show(key.created_at),
        "expires_at": rfc3339.show_if(key.expires_at),
        "last_used_at": rfc3339.show_if(key.last_used_at),
        "revoked_at": rfc3339.show_if(key.revoked_at),
    }


def _status(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"
