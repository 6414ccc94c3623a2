"""`up`: a whole Hiram on this machine."""

from __future__ import annotations

import argparse
import os
from typing import Any

from hiram.embedded.background import LONGEST_WORD, READY, detach
from hiram.embedded.environment import home_of
from hiram.embedded.home import Home, Unavailable
from hiram.embedded.instance import banner, facts, up
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError, CommandParser


class Command(Base):
    """Start everything, watch over it, stop it."""

    help = (
        "Run a whole Hiram for development: PostgreSQL and Redis (unless DATABASE_URL or REDIS_URL"
        " name others), migrations, a demo tenant, and all processes, each started again when it"
        " dies. Data stay in HIRAM_HOME (var/). Ctrl-C stops everything. A second instance needs"
        " its own HIRAM_HOME, HIRAM_PORT, HIRAM_STREAM_PORT and HIRAM_OPS_PORT."
    )
    examples = "manage.py up --detach"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--detach",
            action="store_true",
            help="Return when everything is ready; `manage.py down` stops it.",
        )
        parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)

    def work(self, *, detach: bool, ready_fd: int | None, **options: Any) -> dict[str, Any]:
        """Run until a stop signal, or start it in the background."""
        home = home_of(os.environ)
        try:
            return _detach(home) if detach else _run(home, ready_fd)
        except Unavailable as error:
            raise CommandError(str(error)) from error

    def show(self, facts: dict[str, Any]) -> str:
        """The banner when it goes on running, a word when it does not."""
        if "pid" not in facts:
            return "Stopped."
        return f"{banner(facts)}\nPid {facts['pid']}; `manage.py down` stops it."


def _detach(home: Home) -> dict[str, Any]:
    return {"pid": detach(home, os.environ), **facts(home)}


def _run(home: Home, ready_fd: int | None) -> dict[str, Any]:
    def tell(error: Unavailable | None) -> None:
        if ready_fd is not None:
            os.write(ready_fd, str(error).encode()[:LONGEST_WORD] if error else READY)
            os.close(ready_fd)

    up(home, os.environ, tell=tell, screen=ready_fd is None)
    return {"stopped": True}
