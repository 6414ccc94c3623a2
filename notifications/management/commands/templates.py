"""`templates`: system texts for tenants, and templates as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hiram.lib import ids
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError, CommandParser
from notifications.catalog.exchange import pull, push
from notifications.catalog.files import BadFiles
from notifications.catalog.seeds import seed
from notifications.rendering import Unavailable
from tenants.management.arguments import find_tenant
from tenants.models import Tenant


class Command(Base):
    """See the module."""

    help = (
        "seed: give tenants the system templates that they have not got; may be repeated."
        " pull: write a tenant's templates to files, a folder for each."
        " push: make drafts of what the files say otherwise, and publish them with --publish;"
        " when a file is wrong nothing is written."
    )
    examples = "manage.py templates push texts --tenant Acme --publish"

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, where, and for whom."""
        parser.add_argument("what", choices=["seed", "push", "pull"])
        parser.add_argument("folder", nargs="?", metavar="DIR", help="For push and pull.")
        parser.add_argument("--tenant", metavar="TENANT", help="Its id or name; seed: all.")
        parser.add_argument("--publish", action="store_true", help="push: publish, too.")
        parser.add_argument(
            "--drafts", action="store_true", help="pull: the latest versions, not the published."
        )

    def work(self, *, what: str, **options: Any) -> dict[str, Any]:
        """Do it."""
        _check(what, options)
        try:
            return self._seed(options) if what == "seed" else self._exchange(what, options)
        except BadFiles as bad:
            raise CommandError("; ".join(bad.findings)) from bad
        except Unavailable as error:
            raise CommandError("The templates could not be rendered; try again.") from error

    def _seed(self, options: dict[str, Any]) -> dict[str, Any]:
        one = options["tenant"]
        tenants = [find_tenant(one)] if one else list(Tenant.objects.order_by("name"))
        made = {ids.show("tnt", tenant.pk): len(seed(tenant.pk)) for tenant in tenants}
        return {"tenants": len(tenants), "seeded": sum(made.values())}

    def _exchange(self, what: str, options: dict[str, Any]) -> dict[str, Any]:
        tenant = find_tenant(options["tenant"])
        folder = Path(options["folder"])
        if what == "push":
            return {"pushed": push(tenant.pk, folder, publishing=options["publish"])}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return {"pulled": [p.name for p in pull(tenant.pk, folder, drafts=options["drafts"])]}
        except OSError as error:
            raise CommandError(f"{folder}: {error.strerror or error}") from error


def _check(what: str, options: dict[str, Any]) -> None:
    if what == "seed":
        if options["folder"]:
            raise CommandError("seed takes no DIR")
    elif not (options["folder"] and options["tenant"]):
        raise CommandError(f"{what} needs DIR and --tenant")
    if (options["publish"] and what != "push") or (options["drafts"] and what != "pull"):
        raise CommandError("--publish is of push, --drafts of pull")
