"""`manage.py relay`: the whole engine in one plain loop, without beat, Redis or a broker."""

from __future__ import annotations

import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from delivery import reconcile
from delivery.apply import apply
from delivery.deliver import Delivery
from delivery.plans import go_by_keys
from delivery.relay import relay
from hiram import telemetry
from notifications.retention import Sweeper


class Command(BaseCommand):
    """Delivers what is due, for as long as it runs. Any number may run, beside Celery too."""

    help = (
        "Deliver without beat, Redis or a broker: look for due rows, deliver them, look again."
        " Safe beside any number of Celery workers and other copies of itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--once` and `--every`."""
        parser.add_argument("--once", action="store_true", help="deliver what is due, then end")
        parser.add_argument(
            "--every", type=float, default=1.0, metavar="SECONDS", help="between looks (1)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Loop until SIGTERM or SIGINT; calls that are open are settled first."""
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        telemetry.start("relay")
        go_by_keys()
        delivery = Delivery(settings.SLOTS)
        sweeper, upkept = Sweeper(), 0.0
        while not stop.is_set():
            try:
                relay()
                while apply():
                    pass
                delivery.run(seconds=60, stopping=stop.is_set)
                sweeper.run(seconds=1)
                if time.monotonic() - upkept > 30:
                    upkept = time.monotonic()
                    reconcile.abandon()
                    reconcile.reconcile()
            except DatabaseError as error:
                self.stderr.write(f"database: {type(error).__name__}; trying again")
                connection.close()
            if options["once"]:
                return
            stop.wait(options["every"])
