"""`/healthz`, `/readyz` and `/metrics`, for those who run Hiram; not for the outside."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from hiram.lib.deadline import deadline
from hiram.ops.checks import Checks
from hiram.ops.figures import Figures
from hiram.ops.totals import Totals
from hiram.telemetry.metrics import FOLDER

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 5.0
CONNECTIONS = 32
_JSON = "application/json"
_REPEAT_SECONDS = "1"


def serve(port: int, host: str, stopping: threading.Event) -> None:
    """Serve as long as the process lives; from `stopping` on, `/readyz` says 503.

    Raises:
        OSError: the port cannot be had.
    """
    with Server(host, port, stopping) as server:
        server.serve_forever()


class Server(ThreadingHTTPServer):
    """A thread a request, each request ended after 5 seconds, 32 of them at once.

    One more ends the oldest: those who ask honestly are answered within moments, so it is the slow
    ones who are old.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        stopping: threading.Event,
        *,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        """Listen on `host`:`port`; port 0 is any free one."""
        self.request_seconds = request_seconds
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.checks = Checks(stopping)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(Totals(FOLDER) if FOLDER else REGISTRY)
        self.figures = Figures()
        self.registry.register(self.figures)
        self._open: dict[socket.socket, None] = {}
        self._lock = threading.Lock()
        super().__init__((host, port), _Request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a connection, at the oldest one's cost if there are too many."""
        with self._lock:
            if len(self._open) >= 2 * CONNECTIONS:
                self.shutdown_request(request)
                return
            if len(self._open) >= CONNECTIONS:
                _shut(next(iter(self._open)))
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client's end is no news; anything else is a defect."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logger.error("an operations request failed", exc_info=error)


class _Request(BaseHTTPRequestHandler):
    """One request; the connection ends with its answer."""

    server: Server

    def handle(self) -> None:
        with deadline(self.server.request_seconds) as limit:
            limit.watch(self.connection)
            super().handle()

    def do_GET(self) -> None:
        paths: dict[str, Callable[[], None]] = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": self._metrics,
        }
        paths.get(self.path.partition("?")[0], self._unknown)()

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def _health(self) -> None:
        self._say(HTTPStatus.OK, {"status": "alive"})

    def _readiness(self) -> None:
        found = self.server.checks.readiness()
        status = HTTPStatus.SERVICE_UNAVAILABLE if found.failed else HTTPStatus.OK
        self._say(
            status, {"status": found.status, "failed": found.failed, "degraded": found.degraded}
        )

    def _metrics(self) -> None:
        encode, media_type = choose_encoder(self.headers.get("Accept", ""))
        self._answer(HTTPStatus.OK, media_type, encode(self.server.registry))

    def _unknown(self) -> None:
        self._say(HTTPStatus.NOT_FOUND, {"paths": ["/healthz", "/readyz", "/metrics"]})

    def _say(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        self._answer(status, _JSON, json.dumps(body).encode() + b"\n")

    def _answer(self, status: HTTPStatus, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", _REPEAT_SECONDS)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:
        """Refuse, without the page that the library would write."""
        if code == HTTPStatus.NOT_IMPLEMENTED:  # what it says of every method without a `do_`
            code = HTTPStatus.METHOD_NOT_ALLOWED
        status = HTTPStatus(code)
        self.close_connection = True
        self._say(status, {"error": status.phrase})

    def version_string(self) -> str:
        """What the Server header says."""
        return "hiram"

    def log_message(self, *_: Any) -> None:
        """Probes come every second; nobody reads of them."""


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("it had ended already")
