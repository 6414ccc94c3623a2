"""A client that says exactly what it is told, byte for byte, for both protocols."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

SECONDS = 10


class Talk:
    """One TCP connection; reading fails after `SECONDS`."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._socket.close()

    def say(self, data: bytes) -> None:
        self._socket.sendall(data)

    def line(self) -> bytes:
        """The next line; b"" when the peer has closed or cut the connection."""
        try:
            return self._lines.readline()
        except ConnectionResetError:
            return b""

    def reply(self) -> bytes:
        """The last line of the next SMTP reply, without its line break."""
        while (line := self.line())[3:4] == b"-":
            pass
        return line.rstrip(b"\r\n")

    def ask(self, command: bytes) -> bytes:
        """Say one SMTP command and read the reply."""
        self.say(command + b"\r\n")
        return self.reply()

    def response(self) -> tuple[int, dict[str, str], bytes]:
        """The next HTTP response that has a content length."""
        status = int(self.line().split(b" ")[1])
        headers = {}
        while (line := self.line()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self._lines.read(int(headers["content-length"]))

    def rest(self) -> bytes:
        """Everything until the peer closes."""
        try:
            return self._lines.read()
        except ConnectionResetError:
            return b""
