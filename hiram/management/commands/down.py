"""`down`: the end of what `up` began."""

from __future__ import annotations

import os
from typing import Any

from hiram.embedded.background import down
from hiram.embedded.environment import home_of
from hiram.embedded.home import Unavailable
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError


class Command(Base):
    """Stop the instance of this home."""

    help = (
        "Stop the Hiram that `manage.py up` runs in HIRAM_HOME (var/), in order, and wait for its"
        " end. Data stay. Nothing running is no error."
    )
    examples = "manage.py down"

    def work(self, **options: Any) -> dict[str, Any]:
        """Stop it."""
        home = home_of(os.environ)
        try:
            pid = down(home)
        except Unavailable as error:
            raise CommandError(str(error)) from error
        return {"stopped": pid is not None, "pid": pid, "home": str(home.path)}

    def show(self, facts: dict[str, Any]) -> str:
        """One sentence."""
        if facts["stopped"]:
            return f"Stopped (pid {facts['pid']})."
        return f"Nothing runs in {facts['home']}."
