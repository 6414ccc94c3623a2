"""A small WSGI application behind the shell, for `granian --interface rsgi tests.ops.shell:app`."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from hiram.rsgi import Shell

THREADS, WAITING, BODY_SECONDS = 2, 2, 1.5
GATE = Path(os.environ.get("HIRAM_TEST_GATE", ""))
_pause = threading.Event()


class Closed:
    """A response that says when it was closed."""

    count = 0

    def __iter__(self) -> Iterator[bytes]:
        yield b"in "
        yield b"pieces"

    def close(self) -> None:
        Closed.count += 1


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """`/hold` answers when the gate is open; `/fail` raises; the rest says what was asked."""
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise RuntimeError("a defect")
    if path == "/pieces":
        start_response("203 Odd", [("Content-Type", "text/plain")])
        return Closed()
    if path == "/empty":
        start_response("304 Not Modified", [("ETag", '"x"')])
        return []
    while path == "/hold" and not GATE.exists():
        _pause.wait(0.02)
    body = environ["wsgi.input"].read()
    known = {name: value for name, value in environ.items() if isinstance(value, str)}
    said = {"environ": known, "length": len(body), "body": body[:100].decode("latin-1")}
    said |= {"closed": Closed.count, "thread": threading.current_thread().name}
    content = json.dumps(said).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    start_response("200 OK", [*headers, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [content]


app = Shell(wsgi, threads=THREADS, waiting=WAITING, body_seconds=BODY_SECONDS)
