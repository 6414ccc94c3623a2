"""`manage.py web`: the API and the portal, and the operations port."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection

from hiram import env
from hiram.ops import serve, unsafe_durability

HOST = env.text("HIRAM_HOST", "127.0.0.1", about="the address `web` listens on")
PORT = env.integer("HIRAM_PORT", 3357, least=1, about="the port of the API and the portal")
OPS_HOST = env.text("HIRAM_OPS_HOST", HOST, about="the address of the operations port")
OPS_PORT = env.integer(
    "HIRAM_OPS_PORT", 3359, least=1, about="the port of /healthz, /readyz and /metrics"
)
WORKERS = env.integer("HIRAM_WEB_WORKERS", 2, least=1, about="processes that serve HTTP")
DRAIN_SECONDS = env.number(
    "HIRAM_DRAIN_SECONDS",
    5 if settings.PRODUCTION else 0,
    about="how long `web` still serves after SIGTERM while /readyz already says 503",
)
_STOP_SECONDS = 25
_HEADER_MILLISECONDS = 10_000
_BACKLOG, _CONCURRENT = 2048, 512
_STOPPERS = {signal.SIGTERM, signal.SIGINT}


class Command(BaseCommand):
    """Granian as a child, the operations port as a thread."""

    help = (
        "Serve the API and the portal on HIRAM_HOST:HIRAM_PORT with HIRAM_WEB_WORKERS processes,"
        " and /healthz, /readyz, /metrics on HIRAM_OPS_PORT. SIGTERM: /readyz says 503, requests"
        " are served for HIRAM_DRAIN_SECONDS more, then those begun are ended. Its end is an"
        " error when nobody asked for it."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a stop signal.

        Raises:
            CommandError: PostgreSQL may lose what it confirms, or a part ended by itself.
        """
        _check_durability()
        granian = subprocess.Popen(  # noqa: S603
            _command(), cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL, start_new_session=True
        )
        # From here signals are waited for, not handled; after the start, as a child inherits it.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOPPERS, signal.SIGCHLD})
        operations = _Operations()
        operations.start()
        asked = _wait(granian)
        operations.stopping.set()
        _stop(granian, DRAIN_SECONDS if asked and not operations.failed else 0)
        if not asked:
            raise CommandError(f"granian ended with {granian.returncode}")
        if operations.failed:
            raise CommandError("the operations port failed")


def _check_durability() -> None:
    """A 202 says that the database has it: refuse to say so where that may not hold.

    A database that is away is no reason to end: `/readyz` says so until it is back.

    Raises:
        CommandError: names the settings that are off.
    """
    if settings.UNSAFE_DURABILITY:
        return
    try:
        with connection.cursor() as cursor:
            unsafe = unsafe_durability(cursor)
    except (OperationalError, InterfaceError):
        return
    finally:
        connection.close()
    if unsafe:
        raise CommandError(
            f"PostgreSQL could lose what it confirmed: {', '.join(unsafe)}. Switch this on, or"
            " for a throw-away server set HIRAM_UNSAFE_DURABILITY=1."
        )


class _Operations(threading.Thread):
    """The operations port; without it `web` ends, since nobody could see how it is."""

    def __init__(self) -> None:
        super().__init__(name="operations", daemon=True)
        self.stopping = threading.Event()
        self.failed = False

    def run(self) -> None:
        """Serve until `stopping`, once Granian answers: ready is never said too soon."""
        try:
            while not _answers():
                if self.stopping.wait(0.1):
                    return
            serve(OPS_PORT, OPS_HOST, self.stopping)
        finally:
            if not self.stopping.is_set():
                self.failed = True
                os.kill(os.getpid(), signal.SIGTERM)


def _command() -> list[str]:
    options = {
        "interface": "rsgi",
        "host": HOST,
        "port": PORT,
        "http": 1,
        "workers": WORKERS,
        "runtime-threads": 1,
        "backlog": _BACKLOG,
        "backpressure": _CONCURRENT,
        "http1-header-read-timeout": _HEADER_MILLISECONDS,
        "workers-kill-timeout": _STOP_SECONDS - 2,
        "log-level": "warning",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    flags = ["--no-ws", "--no-access-log", "--respawn-failed-workers"]
    return [
        *(sys.executable, "-m", "hiram.management.granian_main"),
        *(*words, *flags, "hiram.rsgi:app"),
    ]


def _answers() -> bool:
    """Whether a worker of Granian answers, whatever it says."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    connection = http.client.HTTPConnection(anywhere.get(HOST, HOST), PORT, timeout=1)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()


def _wait(granian: subprocess.Popen[bytes]) -> bool:
    """Wait for a stop signal (true) or for Granian's own end (false)."""
    while granian.poll() is None:
        if signal.sigwait({*_STOPPERS, signal.SIGCHLD}) in _STOPPERS:
            return True
    return False


def _stop(granian: subprocess.Popen[bytes], drain_seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        granian.wait(drain_seconds)
    granian.terminate()
    with suppress(subprocess.TimeoutExpired):
        granian.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(granian.pid, signal.SIGKILL)
    granian.wait()
