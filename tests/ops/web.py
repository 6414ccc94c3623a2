"""The shell of `tests.ops.shell` under granian, and a client that may misbehave."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.embedded.waiting import until
from tests.ops.shell import THREADS, WAITING

MEBI = 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """A parsed answer; the status is 0 where the server hung up without one."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    seconds: float

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Web:
    """A running granian."""

    port: int
    process: subprocess.Popen[bytes]
    gate: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def say(self, *sent: bytes) -> Answer:
        """Send these bytes, and read the answer to its end."""
        began = time.monotonic()
        with self.connect() as sock:
            for part in sent:
                sock.sendall(part)
            return receive(sock, began)

    def get(self, path: str = "/") -> Answer:
        return self.say(request("GET", path))


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost:1", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def receive(sock: socket.socket, began: float) -> Answer:
    got = b""
    with contextlib.suppress(ConnectionError):
        while data := sock.recv(MEBI):
            got += data
    took = time.monotonic() - began
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0]:
        return Answer(0, [], b"", took)
    headers = [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines[1:])]
    return Answer(int(lines[0].split()[1]), headers, body, took)


@contextlib.contextmanager
def granian(folder: Path) -> Iterator[Web]:
    """The shell of `tests.ops.shell`, served on a free port until the end of the block."""
    gate = folder / "gate"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--interface", "rsgi", "--http", "1", "--no-ws", "--workers", "1")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", *options, "--host", "127.0.0.1"),
            *("--http1-header-read-timeout", "1000", "--port", str(port), "tests.ops.shell:app"),
        ],
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "hiram.settings", "HIRAM_TEST_GATE": str(gate)},
        cwd=Path(__file__).parents[2],
    )
    found = Web(port, process, gate)

    def answers() -> bool:
        assert process.poll() is None, "granian ended"
        try:
            return found.get().status == 200
        except OSError:
            return False

    try:
        until(answers, 60)
        yield found
    finally:
        process.terminate()
        process.wait(30)


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The answer is this problem, in the API's own form."""
    assert answer.status == status
    assert answer.header("content-type") == "application/problem+json"
    body: dict[str, Any] = answer.json
    assert (body["status"], body["code"]) == (status, code)
    assert answer.header("x-request-id") == body["trace_request_id"]
    return body


def refuses(web: Web) -> bool:
    """Whether nobody listens any more."""
    try:
        web.connect().close()
    except ConnectionError:
        return True
    return False


def fill(web: Web, pool: ThreadPoolExecutor) -> list[Future[Answer]]:
    """Take every thread and every place to wait; those of 12 that find none are done."""
    asked = [pool.submit(web.get, "/hold") for _ in range(12)]
    until(lambda: sum(a.done() for a in asked) >= 12 - THREADS - WAITING)
    return asked
