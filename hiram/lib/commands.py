"""What every management command shares: `--json`, help that reads well, and clean errors.

A command writes its answer to standard output and nothing else there. A wrong argument is one line
on standard error and exit status 2; what cannot be done is one line and status 1; neither leaves
anything half written, and neither is a traceback.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, ProgrammingError

from hiram.lib.problems import Problem
from hiram.lib.vault import BadKey

__all__ = ["Command", "CommandError", "CommandParser", "pairs", "table"]


class Command(BaseCommand):
    """A command whose `work` returns facts, printed as JSON or as `show` says."""

    requires_system_checks = ()
    suppressed_base_arguments = {
        "--version", "-v", "--settings", "--pythonpath", "--traceback", "--no-color",
        "--force-color",
    }  # fmt: skip

    examples: str = ""
    """Shown below the options by `--help`."""

    failed: bool = False
    """Set by `work` when what it found is bad: the facts are printed, the exit status is 1."""

    def work(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Do it.

        Raises:
            CommandError: it cannot be done, and nothing was.
        """
        raise NotImplementedError

    def show(self, facts: dict[str, Any]) -> str:
        """The facts for people."""
        return "\n".join(f"{name}: {_text(value)}" for name, value in facts.items())

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Raise what is wrong with the arguments instead of printing the usage."""
        self._called_from_command_line = False
        examples = f"Example: {self.examples}" if self.examples else None
        parser = super().create_parser(
            prog_name, subcommand, allow_abbrev=False, epilog=examples, **kwargs
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        """Run; the process ends here when the arguments are wrong."""
        try:
            if any(not _is_text(argument) for argument in argv):
                raise CommandError("Error: an argument is not valid UTF-8")
            super().run_from_argv(argv)
        except CommandError as error:
            if "--traceback" in argv:
                raise
            said = str(error).removeprefix("Error: ")
            self.stderr.write(f"manage.py {argv[1]}: {said} (--help explains the arguments)")
            sys.exit(2)

    def handle(self, *args: Any, **options: Any) -> None:
        """Work, print, and end with status 1 if it failed."""
        as_json = options.pop("json")
        try:
            facts = self.work(**options)
        except (Problem, BadKey, OperationalError, InterfaceError, ProgrammingError) as error:
            raise CommandError(_one_line(error)) from error
        self.stdout.write(json.dumps(facts, indent=2) if as_json else self.show(facts))
        if self.failed:
            raise SystemExit(1)


def pairs(given: Iterable[str], option: str) -> dict[str, str]:
    """`k=v` words as a mapping; a value may hold further `=`.

    Raises:
        CommandError: a word without `=` or a name, or a name that is given twice.
    """
    found: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            # The word is not repeated: it may be a secret.
            raise CommandError(f"{option} takes NAME=VALUE")
        if name in found:
            raise CommandError(f"{option} names {name} twice")
        found[name] = value
    return found


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows under headings, in aligned columns."""
    lines = [[column.upper() for column in columns]]
    lines += [[_text(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _text(value: Any) -> str:
    """A value on one line of a terminal, which must not read commands out of it."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _one_line(error: Exception) -> str:
    if isinstance(error, Problem):
        found = [f"{e.pointer.removeprefix('/')}: {e.detail}" for e in error.errors]
        return " ".join(found) or error.detail
    if isinstance(error, BadKey):
        return f"HIRAM_ENCRYPTION_KEYS: {error}"
    said = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, ProgrammingError):
        return f"The database does not fit this version, run `manage.py migrate`: {said}"
    return f"The database cannot be reached, see DATABASE_URL: {said}"
