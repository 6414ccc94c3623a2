"""Receivers of webhooks: one for each tenant, which notes what came, and can be away."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.street.tenant import Tenant


class Sink:
    """A context manager: a tenant's webhook, and its receiver on a port that stays the same.

    `rate` is the webhook's `rate_limit`. `came` are the events that came, each with the time
    (monotonic) at which its whole post was here. `drops` more of them get no answer.
    """

    def __init__(self, tenant: Tenant, port: int, rate: float | None = None) -> None:
        self.tenant, self.port, self.rate = tenant, port, rate
        self.came: list[tuple[float, str]] = []
        self.drops = 0
        self._lock = threading.Lock()
        self._lines: set[socket.socket] = set()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self.open()
        body = {"url": f"http://127.0.0.1:{self.port}/", "rate_limit": self.rate}
        answer = self.tenant.ask("POST", "/v1/webhooks", body)
        assert answer.status_code == 201, answer.text
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def arrivals(self) -> Counter[str]:
        """How often each event came."""
        return Counter(event for _, event in self.came)

    def open(self) -> None:
        """Listen."""
        self._server = _Server(("127.0.0.1", self.port), _Post)
        self._server.sink = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Be away: nobody listens, and every line is cut."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        with self._lock:
            for line in self._lines:
                _cut(line)

    def picks_up(self, line: socket.socket) -> None:
        """A line is open; not when nobody is there any more."""
        with self._lock:
            self._lines.add(line)
            if self._server is None:
                _cut(line)

    def hangs_up(self, line: socket.socket) -> None:
        """A line is over."""
        with self._lock:
            self._lines.discard(line)

    def takes(self, event: str) -> bool:
        """Note what came whole; whether it is answered."""
        with self._lock:
            self.came.append((time.monotonic(), event))
            self.drops, dropped = max(0, self.drops - 1), self.drops > 0
            return not dropped


class _Server(ThreadingHTTPServer):
    sink: Sink
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A line that was cut, by us or by a worker that died, is what we are here for."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Post(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.sink.picks_up(self.connection)

    def finish(self) -> None:
        self.server.sink.hangs_up(self.connection)
        super().finish()

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        if len(self.rfile.read(length)) < length or not self.server.sink.takes(
            self.headers["webhook-id"]
        ):
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silent."""


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
