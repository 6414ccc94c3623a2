"""`create_tenant`: a new customer of this installation, with the system templates."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from hiram.lib import ids
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError, CommandParser
from notifications.catalog.seeds import seed
from notifications.rendering import Unavailable
from tenants.models import Tenant

_NAME_CHARACTERS = 200


class Command(Base):
    """See the module."""

    help = "Create a tenant. It needs a key (issue_key) and a provider (set_provider) next."
    examples = 'manage.py create_tenant "Example Ltd"'

    def add_arguments(self, parser: CommandParser) -> None:
        """Name and mode."""
        parser.add_argument("name", metavar="NAME", help="What people call it; unique.")
        parser.add_argument(
            "--mode",
            choices=Tenant.Mode.values,
            default=Tenant.Mode.LIVE.value,
            help="live sends; shadow walks the whole path and sends nothing. Default: live.",
        )

    def work(self, *, name: str, mode: str, **options: Any) -> dict[str, Any]:
        """Create it."""
        name = name.strip()
        if not 0 < len(name) <= _NAME_CHARACTERS or not name.isprintable():
            raise CommandError(f"NAME must be one line of 1 to {_NAME_CHARACTERS} characters.")
        if name.startswith("tnt_"):
            raise CommandError("NAME must not begin like an id, with tnt_.")
        try:
            with transaction.atomic():
                tenant = Tenant.objects.create(name=name, mode=mode)
                seed(tenant.pk)
        except IntegrityError as error:
            raise CommandError(f"There is a tenant {name!r} already.") from error
        except Unavailable as error:
            raise CommandError("The system templates could not be rendered; try again.") from error
        return {"tenant_id": ids.show("tnt", tenant.pk), "name": tenant.name, "mode": tenant.mode}
