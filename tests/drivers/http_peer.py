"""An HTTP server that answers, byte for byte, what it is told to."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tests.drivers.peer import Gone, Peer, Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Said = bytes | Callable[[Wire], None]
"""An answer, or what does the answering."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


class HttpPeer(Peer):
    """Answers with what is in `answers`, one a request, then with `usual`; keeps connections."""

    def __init__(self, usual: Said = OK, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.usual = usual
        self.tls = tls
        self.answers: deque[Said] = deque()
        self.asked: list[Request] = []

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def speak(self, wire: Wire) -> None:
        if self.tls:
            wire.encrypt(self.tls)
        while True:
            line = wire.line().decode("latin-1")
            headers = {}
            while header := wire.line().decode("latin-1"):
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            body = wire.file.read(int(headers.get("content-length", "0")))
            self.asked.append(Request(line, headers, body))
            answer = self.answers.popleft() if self.answers else self.usual
            if callable(answer):
                answer(wire)
            else:
                wire.say(answer)
                if b"onnection: close" in answer:
                    raise Gone
