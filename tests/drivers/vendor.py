"""A vendor's API on 127.0.0.1, over real HTTP: gives the answers it was told to, in turn."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.drivers.peer import Gone, Peer, Wire


@dataclass(frozen=True)
class Canned:
    """One answer. `body` is sent as JSON unless it is bytes.

    Instead of it, `act` can be "cut", which closes the connection unanswered, or "echo", which
    answers with everything that was asked.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    act: str = ""

    @property
    def raw(self) -> bytes:
        """The body as bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def on_the_wire(self, body: bytes) -> bytes:
        """The whole answer."""
        kind = "text/html" if isinstance(self.body, bytes) else "application/json"
        usual = {"Content-Type": kind, "Content-Length": str(len(body))}
        lines = [f"HTTP/1.1 {self.status} Said"]
        lines += [f"{name}: {value}" for name, value in {**usual, **self.headers}.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Asked:
    """One request as it came; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> list[tuple[str, str]]:
        """The fields of an urlencoded body."""
        return parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True)


class Vendor(Peer):
    """Answers with what is in `answers`, and when that is used up with `usual`."""

    def __init__(self, usual: Canned) -> None:
        super().__init__()
        self.usual = usual
        self.answers: deque[Canned] = deque()
        self.asked: list[Asked] = []
        self.taken: list[Asked] = []
        """Those of `asked` that got the usual answer."""

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def speak(self, wire: Wire) -> None:
        """Answer requests on one connection until the client hangs up."""
        while True:
            asked, head = _read(wire)
            self.asked.append(asked)
            answer = self.answers.popleft() if self.answers else self.usual
            if answer is self.usual:
                self.taken.append(asked)
            if answer.act == "cut":
                return
            body = head + asked.body if answer.act == "echo" else answer.raw
            wire.say(answer.on_the_wire(body))


def _read(wire: Wire) -> tuple[Asked, bytes]:
    head = [wire.line()]
    while line := wire.line():
        head.append(line)
    method, path, _ = head[0].decode().split(" ")
    pairs = (line.decode("latin-1").split(": ", 1) for line in head[1:])
    headers = {name.lower(): value for name, value in pairs}
    body = wire.file.read(int(headers["content-length"]))
    if len(body) < int(headers["content-length"]):
        raise Gone
    return Asked(method, path, headers, body), b"\n".join(head)
