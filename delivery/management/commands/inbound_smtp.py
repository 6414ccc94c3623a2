"""`manage.py inbound_smtp`: take the bounces of mail that was sent by plain SMTP."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from delivery.inbound.server import InboundServer
from hiram import env, telemetry

HOST = env.text("HIRAM_INBOUND_SMTP_HOST", "127.0.0.1", about="where `inbound_smtp` listens")
PORT = env.integer("HIRAM_INBOUND_SMTP_PORT", 2525, about="its port; 0: any free one")


class Command(BaseCommand):
    """Listens in the foreground. Any number may run, on any hosts."""

    help = (
        "Take bounces and complaints that come by mail to the return addresses of SMTP providers"
        " with a domain for bounces. Refuses every other address; sends no mail."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--host` and `--port`; each has its environment variable."""
        parser.add_argument("--host", default=HOST)
        parser.add_argument("--port", type=int, default=PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen until SIGTERM or SIGINT; what has arrived whole is kept first."""
        telemetry.start("inbound")
        try:
            asyncio.run(self._serve(options["host"], options["port"]))
        except (OSError, OverflowError) as error:
            raise CommandError(f"the server cannot start: {error}") from error

    async def _serve(self, host: str, port: int) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = InboundServer(urlsplit(settings.PUBLIC_URL).hostname or "localhost")
        try:
            listening = await server.open(host, port)
            self.stdout.write(f"inbound_smtp: listening on {host}:{listening}")
            self.stdout.flush()
            await stop.wait()
        finally:
            await server.close()
