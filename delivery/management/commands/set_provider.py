"""`set_provider`: make a tenant's provider, or change it."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from delivery.management.arguments import secrets_of, settings_of
from delivery.provider import NewProvider, ProviderChange
from delivery.providers import add, change, show
from delivery.shelves import drivers
from hiram.lib import rest
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError, CommandParser, pairs
from tenants.management.arguments import find_tenant
from tenants.models import Provider, Tenant


class Command(Base):
    """See the module."""

    help = (
        "Make a tenant's provider, or change the one of that name: fields that are not given stay"
        " as they are, NAME= removes an optional one. `GET /v1/drivers` and the portal describe"
        " each driver's fields."
    )
    examples = (
        'manage.py set_provider "Example Ltd" --driver smtp --name main --set host=mail.example.com'
        " --set username=hiram --set from_email=hello@example.com --secret password=@/run/secret"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, which, and its fields."""
        parser.add_argument("tenant", metavar="TENANT", help="A tenant's id (tnt_...) or name.")
        parser.add_argument("--driver", required=True, help="Which driver speaks to it.")
        parser.add_argument("--channel", help="Default: the driver's.")
        parser.add_argument("--name", help="Unique in the tenant. Default: the driver's name.")
        parser.add_argument(
            "--set", metavar="NAME=VALUE", action="append", default=[], help="A setting; repeat."
        )
        parser.add_argument(
            "--secret",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            help="A credential; repeat. VALUE may be @FILE, or - for standard input, so that it"
            " is not seen in the list of processes.",
        )
        parser.add_argument("--priority", type=int, help="Lower is tried first. Default: 100.")
        enabled = parser.add_mutually_exclusive_group()
        enabled.add_argument("--enabled", action="store_true", default=None, help="Use it.")
        enabled.add_argument("--disabled", action="store_false", dest="enabled", help="Do not.")
        shared = parser.add_mutually_exclusive_group()
        shared.add_argument(
            "--shared",
            action="store_true",
            default=None,
            help="Make it the platform's default; only a provider of the system tenant.",
        )
        shared.add_argument("--not-shared", action="store_false", dest="shared", help="End that.")

    def work(self, *, tenant: str, name: str | None, **options: Any) -> dict[str, Any]:
        """Make or change it, all in one transaction."""
        owner = find_tenant(tenant)
        if options["shared"] and not owner.is_system:
            raise CommandError("Only a provider of the system tenant may be shared.")
        fields = _fields(options)
        with transaction.atomic():
            found = Provider.objects.filter(tenant=owner, name=name or options["driver"]).first()
            if found is None:
                found = _add(owner, name or options["driver"], options, fields)
                made = True
            else:
                _change(found, options, fields)
                made = False
            if options["shared"] is not None and found.shared != options["shared"]:
                found.shared = options["shared"]
                found.save(update_fields=["shared"])
        return show(found) | {"shared": found.shared, "created": made}


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """What was given, as in the API's body."""
    given = {
        "settings": settings_of(options["driver"], pairs(options["set"], "--set")) or None,
        "credentials": secrets_of(pairs(options["secret"], "--secret")) or None,
        "priority": options["priority"],
        "enabled": options["enabled"],
    }
    return {name: value for name, value in given.items() if value is not None}


def _add(tenant: Tenant, name: str, options: dict[str, Any], fields: dict[str, Any]) -> Provider:
    driver = options["driver"]
    channel = options["channel"] or (drivers[driver].channel if driver in drivers else "")
    for group in fields.keys() & {"settings", "credentials"}:
        fields[group] = {k: v for k, v in fields[group].items() if v is not None}
    body = {"channel": channel, "driver": driver, "name": name, **fields}
    return add(tenant.pk, rest.validate(NewProvider, body))


def _change(provider: Provider, options: dict[str, Any], fields: dict[str, Any]) -> None:
    for option in ("driver", "channel"):
        kept, asked = getattr(provider, option), options[option]
        if asked is not None and asked != kept:
            raise CommandError(
                f"{provider.name!r} is a provider of the {option} {kept}, which cannot be changed."
                " Choose another --name."
            )
    change(provider, rest.validate(ProviderChange, fields))
