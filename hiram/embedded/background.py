"""An instance in the background: up when this returns, down when that does."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from hiram.embedded.environment import ROOT
from hiram.embedded.home import Home, Unavailable
from hiram.embedded.instance import READY_SECONDS, check_ports
from hiram.embedded.lock import holder, refuse_if_held
from hiram.embedded.supervisor import STOP_SECONDS

READY = b"ready"
_LAST_LINES = 40
LONGEST_WORD = 4096
_DOWN_SECONDS = STOP_SECONDS + 15


def detach(home: Home, environ: Mapping[str, str]) -> int:
    """Start the instance in a session of its own; the supervisor's pid, once all is ready.

    Raises:
        Unavailable: it is not ready in time; the text has the log's last lines.
    """
    home.make()
    refuse_if_held(home)
    check_ports(environ)
    log = home.log / "hiram.log"
    ears, mouth = os.pipe()
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, str(ROOT / "manage.py"), "up", "--ready-fd", str(mouth)],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            pass_fds=(mouth,),
            start_new_session=True,
        )
    os.close(mouth)
    heard, lines = b"", ""
    try:
        if select.select([ears], [], [], READY_SECONDS)[0]:
            heard = os.read(ears, LONGEST_WORD)
    finally:
        os.close(ears)
        if heard != READY:
            lines = _tail(log)
            process.terminate()
            process.wait(_DOWN_SECONDS)
    if heard != READY:
        why = heard.decode(errors="replace") or f"not ready after {READY_SECONDS} s"
        raise Unavailable(f"{lines}\nHiram did not start: {why} (the log is {log})")
    return process.pid


def down(home: Home) -> int | None:
    """Stop the home's instance and wait for its end; the pid it had, None when none ran.

    Raises:
        Unavailable: it does not end.
    """
    pid = holder(home)
    if pid is None:
        return None
    os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + _DOWN_SECONDS
    while holder(home) == pid:
        if time.monotonic() > limit:
            raise Unavailable(f"the supervisor, pid {pid}, does not end")
        time.sleep(0.05)
    return pid


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-_LAST_LINES:])
