"""`docs`: write the pages of `docs/` that are made from the code."""

from __future__ import annotations

from typing import Any

from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandParser
from hiram.management.pages import pages, table


class Command(Base):
    """See the module."""

    help = "Write docs/configuration.md and docs/states.md from the code."

    def add_arguments(self, parser: CommandParser) -> None:
        """How much of it."""
        parser.add_argument("--check", action="store_true", help="Write nothing; 1 when stale.")
        parser.add_argument(
            "--table",
            action="store_true",
            help="Print the table of variables with the defaults of this environment.",
        )

    def work(self, *, check: bool, **options: Any) -> dict[str, Any]:
        """Write what differs."""
        if options["table"]:
            return {"table": table()}
        made = pages()
        stale = [
            file
            for file, text in made.items()
            if not file.exists() or file.read_text(encoding="utf-8") != text
        ]
        self.failed = check and bool(stale)
        if not check:
            for file in stale:
                file.write_text(made[file], encoding="utf-8")
        return {"stale" if check else "written": [file.name for file in stale]}

    def show(self, facts: dict[str, Any]) -> str:
        """The table as it is, else what was found."""
        return str(facts["table"]) if "table" in facts else super().show(facts)
