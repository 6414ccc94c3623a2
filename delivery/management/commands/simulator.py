"""`manage.py simulator`: the vendors' clouds as a process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from delivery.simulator.server import Config, Simulator
from hiram import env

HOST = env.text("HIRAM_SIMULATOR_HOST", "127.0.0.1", about="where the simulator listens")
SMTP_PORT = env.integer(
    "HIRAM_SIMULATOR_SMTP_PORT", 0, about="the simulator's SMTP port; 0: any free one"
)
HTTP_PORT = env.integer(
    "HIRAM_SIMULATOR_HTTP_PORT", 0, about="the simulator's HTTP port; 0: any free one"
)
HOSTS = env.words(
    "HIRAM_SIMULATOR_HOSTS",
    about="host names besides localhost by which requests may name the simulator",
)
ALLOWED = env.flag("HIRAM_SIMULATOR", False, about="allows the simulator to run in production too")


class Command(BaseCommand):
    """Runs the simulator in the foreground."""

    help = (
        "Stands in for the vendors: an SMTP server, Resend's and Twilio's APIs, a mailbox. "
        "Its address is written to run/simulator.json under the home."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Ports and home; each has its environment variable."""
        parser.add_argument("--smtp-port", type=int, default=SMTP_PORT)
        parser.add_argument("--http-port", type=int, default=HTTP_PORT)
        parser.add_argument("--home", type=Path, default=settings.HIRAM_HOME)

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen until told to stop."""
        if settings.PRODUCTION and not ALLOWED:
            raise CommandError(
                "the simulator does not run in production: set HIRAM_SIMULATOR=1 if it shall, "
                "or HIRAM_ENV=development"
            )
        done = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: done.set())
        config = Config(
            host=HOST,
            smtp_port=options["smtp_port"],
            http_port=options["http_port"],
            home=options["home"],
            allowed_hosts=HOSTS,
            page=f"{settings.PUBLIC_URL}/portal/mailbox/",
        )
        try:
            with Simulator(config) as simulator:
                smtp, http = simulator.smtp_port, simulator.http_url
                self.stdout.write(f"simulator: smtp {HOST}:{smtp}, {http}")
                self.stdout.flush()
                done.wait()
        except OSError as error:
            raise CommandError(f"the simulator cannot start: {error}") from error
