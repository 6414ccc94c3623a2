"""`manage.py load_changelog`: Hiram's own news, from CHANGELOG.md to Trestleboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.changelog import Malformed, load


class Command(BaseCommand):
    """Safe to run again at every start: what has not changed is not touched."""

    help = (
        "Load the released versions of CHANGELOG.md (Keep a Changelog) into Trestleboard."
        " Running it again changes only what the file changed; entries written in the portal stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument(
            "--file", default=str(settings.BASE_DIR / "CHANGELOG.md"), help="another file"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the file."""
        path = Path(options["file"])
        try:
            changed = load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, Malformed) as error:
            raise CommandError(f"{path}: {error}") from error
        shown = json.dumps({"changed": changed}) if options["json"] else f"{changed} changed"
        self.stdout.write(shown)
