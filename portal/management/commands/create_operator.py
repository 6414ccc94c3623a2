"""`manage.py create_operator`: the first person who sees everything."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction

from hiram.lib import ids
from portal.mails import ensure_system_tenant
from tenants.models import User

VARIABLE = "HIRAM_OPERATOR_PASSWORD"


class Command(BaseCommand):
    """Makes an operator, or makes an existing account one; then with the new password."""

    help = (
        "Create an operator, who sees and manages every tenant. The password is asked for, or"
        f" read from --password-file or the variable {VARIABLE}; it is no argument, since those"
        " show in the list of processes. An account that exists becomes an operator and gets the"
        " password, if one is given. The system tenant, whose providers carry Hiram's own mails,"
        " is made too where it is missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("email", help="the address to log in with")
        parser.add_argument("--name", default="", help="what the person is called")
        parser.add_argument("--password-file", help="a file whose first line is the password")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the account."""
        email, name = str(options["email"]), str(options["name"])
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{email!r} is not an e-mail address.") from error
        user = User.objects.filter(email__iexact=email).first()
        made = user is None
        user = user or User(email=User.objects.normalize_email(email))
        password = _given(options["password_file"])
        if password is None and made:
            password = _asked()
        _write(user, name, password)
        ensure_system_tenant()
        shown = {"id": ids.show("usr", user.pk), "email": user.email, "created": made}
        if options["json"]:
            self.stdout.write(json.dumps(shown))
        else:
            done = "created" if made else "is an operator now"
            self.stdout.write(f"{user.email} {done}: log in at /portal/")


def _write(user: User, name: str, password: str | None) -> None:
    user.is_operator = user.is_active = True
    user.name = name or user.name
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        user.set_password(password)
    with transaction.atomic():
        user.save()


def _given(path: str | None) -> str | None:
    if path is None:
        return os.environ.get(VARIABLE)
    try:
        first = Path(path).read_text(encoding="utf-8").split("\n", 1)[0]
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error
    return first.rstrip("\r")


def _asked() -> str:
    try:
        password = getpass.getpass("Password: ")
        again = getpass.getpass("Password again: ")
    except (EOFError, OSError) as error:
        raise CommandError(f"No password: give --password-file or set {VARIABLE}.") from error
    if password != again:
        raise CommandError("The two passwords differ.")
    return password
