"""`send`: accept one notification in a tenant's name."""

from __future__ import annotations

import sys
from typing import Any

from hiram.lib import ids
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError, CommandParser, pairs
from notifications.accept import Owner
from notifications.api import accepted, checked
from notifications.states import State
from tenants.management.arguments import find_tenant

_FIELDS = {"to": "recipient", "sender": "from"}


class Command(Base):
    """See the module."""

    help = (
        "Send one notification as the tenant, the way the API does: it is accepted, and the"
        " workers deliver it. `show` tells what became of it."
    )
    examples = (
        'manage.py send "Example Ltd" --channel email --to you@example.com'
        ' --subject Hello --body "It works."'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The fields of the API's body."""
        parser.add_argument("tenant", metavar="TENANT", help="A tenant's id (tnt_...) or name.")
        parser.add_argument("--channel", required=True, help="Such as email or sms.")
        parser.add_argument("--to", required=True, metavar="ADDRESS", help="The recipient.")
        parser.add_argument("--subject", help="For channels that have one.")
        parser.add_argument("--body", help="The text; - reads it from standard input.")
        parser.add_argument("--html", metavar="TEXT", help="The HTML part of an e-mail.")
        parser.add_argument(
            "--from", dest="sender", metavar="ADDRESS", help="Default: the provider's own sender."
        )
        parser.add_argument("--priority", help="high, normal (default) or bulk.")
        parser.add_argument("--category", help="transactional (default), operational, marketing.")
        parser.add_argument(
            "--metadata", metavar="NAME=VALUE", action="append", default=[], help="Repeat."
        )
        parser.add_argument(
            "--test", action="store_true", help="As with a test key: no real provider is reached."
        )

    def work(self, *, tenant: str, test: bool, **options: Any) -> dict[str, Any]:
        """Accept it."""
        found = find_tenant(tenant)
        owner = Owner(found.pk, "test" if test else found.mode)

        def respond(made: list[Any]) -> tuple[int, Any]:
            return 202, {"id": ids.show("ntf", made[0]), "status": str(State.ACCEPTED)}

        given = accepted(owner, [checked(owner, _body(options))], respond, None, batch=False)
        return {**given.body, "tenant_id": ids.show("tnt", found.pk), "mode": owner.mode}


def _body(options: dict[str, Any]) -> dict[str, Any]:
    names = ("channel", "to", "subject", "body", "html", "sender", "priority", "category")
    body = {_FIELDS.get(name, name): options[name] for name in names if options[name] is not None}
    if body.get("body") == "-":
        body["body"] = _standard_input()
    if options["metadata"]:
        body["metadata"] = pairs(options["metadata"], "--metadata")
    return body


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise CommandError("Standard input is not UTF-8.") from error
