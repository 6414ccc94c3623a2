"""A supervisor of programs that a test orders, as a process of its own.

Arguments: its home, then the stop's seconds, then JSON: a list of [name, shell text].
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path

from hiram.embedded import supervisor
from hiram.embedded.console import Console
from hiram.embedded.home import Home
from hiram.embedded.supervisor import Program, Supervisor


def _command(text: str) -> list[str]:
    return ["sh", "-c", text]


if __name__ == "__main__":
    home = Home(Path(sys.argv[1]))
    supervisor.STOP_SECONDS = float(sys.argv[2])
    home.make()
    console = Console(home.log / "hiram.log")
    with Supervisor(home, os.environ, console) as mine:
        for name, text in json.loads(sys.argv[3]):
            mine.start(Program(name, partial(_command, text), stop_seconds=0.1))
        console.line("up", "all started")
        mine.supervise()
    console.line("up", "over")
