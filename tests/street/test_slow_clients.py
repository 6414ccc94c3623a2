"""Clients that send slowly take nothing from the others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

pytestmark = pytest.mark.xdist_group("street")

CLIENTS = 200
EVERY_SECONDS = 1


class Dripping:
    """Clients who announce a body and send an octet of it a second."""

    def __init__(self, port: int, key: str) -> None:
        self._stop = threading.Event()
        self._stack = ExitStack()
        head = (
            f"POST /v1/notifications HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )
        self.sockets = [
            self._stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            for _ in range(CLIENTS)
        ]
        for client in self.sockets:
            client.sendall(head.encode())
        self._thread = threading.Thread(target=self._drip)
        self._thread.start()

    def _drip(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            for client in self.sockets:
                with suppress(OSError):  # answered and closed by now
                    client.sendall(b" ")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._stack.close()


@contextmanager
def dripping(port: int, key: str) -> Iterator[Dripping]:
    clients = Dripping(port, key)
    try:
        yield clients
    finally:
        clients.stop()


def test_200_dripping_bodies_do_not_stop_normal_requests(tenant):
    with dripping(int(tenant.instance.env["HIRAM_PORT"]), tenant.key) as clients:
        for number in range(20):
            seen = tenant.post(tenant.letter(f"n{number}"), Prefer="wait=20", timeout=25)
            assert seen.status_code == 200
            assert seen.json()["status"] == "sent"
        # And the slow ones are told so, one and all, after the body's 10 seconds.
        for client in clients.sockets:
            assert client.recv(12) == b"HTTP/1.1 408"
