"""`revoke_key`: end a key for good."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from hiram.lib import ids, rfc3339
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandParser
from tenants.auth import revoke_key
from tenants.management.arguments import find_key


class Command(Base):
    """See the module."""

    help = (
        "Revoke an API key: every request with it is refused from now on. Repeating is harmless."
    )
    examples = "manage.py revoke_key hk_live_4F7a"

    def add_arguments(self, parser: CommandParser) -> None:
        """Which."""
        parser.add_argument(
            "key",
            metavar="KEY",
            help="The key's id (key_...), its shown prefix if no other key has it, or its text.",
        )

    def work(self, *, key: str, **options: Any) -> dict[str, Any]:
        """Revoke it."""
        found = find_key(key)
        revoke_key(found, at=timezone.now())
        return {
            "key_id": ids.show("key", found.pk),
            "tenant_id": ids.show("tnt", found.tenant_id),
            "name": found.name,
            "prefix": found.prefix,
            "revoked_at": rfc3339.show_if(found.revoked_at),
        }
