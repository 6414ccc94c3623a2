"""Peers that answer as they are told: what a driver must bear from the other end of a line."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

SECONDS = 10.0
"""The longest that a test waits for what must happen."""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as `condition` holds; fail when it does not for ten seconds."""
    end = time.monotonic() + SECONDS
    event = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {SECONDS:.0f} s"
        event.wait(0.005)


class Gone(Exception):
    """The client has hung up."""


class Wire:
    """The peer's end of one connection."""

    def __init__(self, sock: socket.socket, stopped: threading.Event) -> None:
        self.sock = sock
        self.stopped = stopped
        self.file = sock.makefile("rb")

    def encrypt(self, context: ssl.SSLContext) -> None:
        self.file.close()
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.file = self.sock.makefile("rb")

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def line(self) -> bytes:
        """The next line without its end; raises Gone at the end of the stream."""
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise Gone
        return line.removesuffix(b"\n").removesuffix(b"\r")

    def drip(self, data: bytes, pause: float = 0.02) -> None:
        """Say `data` byte by byte."""
        for byte in data:
            if self.stopped.wait(pause):
                raise Gone
            self.say(bytes([byte]))

    def hush(self) -> None:
        """Say nothing until the client hangs up."""
        while self.file.read1():
            pass
        raise Gone

    def cut(self) -> None:
        """Hang up so that the client sees a reset, not an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone


class Peer:
    """A server on a free port of 127.0.0.1: one thread a connection, which runs `speak`.

    An assertion that fails in a connection's thread fails the test that leaves the peer.
    """

    def __init__(self, speak: Callable[[Wire], None] | None = None) -> None:
        self._told = speak
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._trouble: list[BaseException] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        """How many were ever accepted."""

    @property
    def open(self) -> int:
        """How many connections are open now."""
        with self._lock:
            return len(self._sockets)

    def speak(self, wire: Wire) -> None:
        """Hold one conversation; returning closes the connection."""
        assert self._told is not None
        self._told(wire)

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._trouble and error is None:
            raise self._trouble[0]

    def stop(self) -> None:
        """Close the port and every connection; nothing answers there any more."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(SECONDS)
            assert not thread.is_alive(), "a peer's thread hangs"
        self._listener.close()

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            double = sock.dup()  # `encrypt` takes the first one away
            with self._lock:
                self.connections += 1
                self._sockets.add(double)
            self._spawn(self._serve, sock, double)

    def _serve(self, sock: socket.socket, double: socket.socket) -> None:
        wire = Wire(sock, self._stopped)
        try:
            sock.settimeout(SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.speak(wire)
        except (Gone, OSError):
            pass  # the client may hang up whenever it likes
        except BaseException as error:
            self._trouble.append(error)
        finally:
            wire.file.close()
            wire.sock.close()
            with self._lock:
                double.close()
                self._sockets.discard(double)


def silent(wire: Wire) -> None:
    wire.hush()


def dripping(wire: Wire) -> None:
    wire.drip(b"2" * 100_000)


def garbage(wire: Wire) -> None:
    wire.say(b"\x00\xff\xfe{[<\r\n\r\n\x80\x81 \r\n" * 20)
    wire.hush()


def flood(wire: Wire) -> None:
    while True:
        wire.say(b"x" * 65_536)


def flood_of_lines(wire: Wire) -> None:
    while True:
        wire.say(b"220-x\r\n" * 10_000)


def closing(wire: Wire) -> None:
    raise Gone


def resetting(wire: Wire) -> None:
    wire.cut()


PEERS: tuple[Callable[[Wire], None], ...] = (
    silent, dripping, garbage, flood, flood_of_lines, closing, resetting,
)  # fmt: skip
