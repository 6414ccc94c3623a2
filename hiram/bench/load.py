"""An HTTP client that costs little: raw requests over kept connections, one thread.

`python -m hiram.bench.load` reads a JSON object and prints one.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit


async def post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    """One request and its answer: status and body."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    body = await reader.readexactly(_length(head))
    return int(head[9:12]), body


def _length(head: bytes) -> int:
    """What a head in lower case announces."""
    at = head.index(b"content-length:") + 15
    return int(head[at:].partition(b"\r")[0])


def encode(url: str, key: str, path: str, body: Any) -> bytes:
    """The request's octets."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nX-Api-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Flood(asyncio.Protocol):
    """One connection that posts the same again as soon as it is answered, until the time is up."""

    def __init__(self, request: bytes, until: float, taken: list[float]) -> None:
        """Seconds of each are added to `taken`; `ended` is done when no answer is missing."""
        self._request, self._until, self._taken = request, until, taken
        self._buffer = b""
        self._began = 0.0
        self._transport: asyncio.Transport
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Post."""
        self._transport = transport  # type: ignore[assignment]
        self._post()

    def data_received(self, data: bytes) -> None:
        """Post again when the answer is whole."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head.lower()):
            return
        self._buffer = b""
        if int(head[9:12]) != 202:
            self.ended.set_exception(SystemExit(f"{head[9:12]!r}: {body[:300]!r}"))
            return
        self._taken.append(time.perf_counter() - self._began)
        if time.perf_counter() < self._until:
            self._post()
        else:
            self._transport.close()
            self.ended.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more is coming."""
        if not self.ended.done():
            self.ended.set_exception(SystemExit(f"the connection was cut: {error}"))

    def _post(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)


async def flood(url: str, request: bytes, connections: int, seconds: float) -> dict[str, Any]:
    """Post as fast as answers come, for `seconds`; accepted requests and their rate."""
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    taken: list[float] = []
    began = time.perf_counter()
    until = began + seconds
    lines = [
        (await loop.create_connection(lambda: Flood(request, until, taken), host, port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*[line.ended for line in lines])
    return _summary(taken, time.perf_counter() - began)


async def pace(url: str, request: bytes, per_second: float, count: int) -> dict[str, Any]:
    """Post at a steady rate; for each id the monotonic time at which its 202 was read."""
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    answered: dict[str, float] = {}
    start = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0, start + number / per_second - time.monotonic()))
        status, body = await post(reader, writer, request)
        if status != 202:
            raise SystemExit(f"{status}: {body[:300]!r}")
        for given in _ids(json.loads(body)):
            answered[given] = time.monotonic()
    writer.close()
    return answered


async def each(
    url: str, requests: Sequence[bytes], connections: int, per_second: float
) -> dict[str, Any]:
    """Post each of these once, at a steady rate; how fast that was, and how long an answer took.

    A request waits for a free connection: its time begins when it should have been sent.
    """
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    taken: list[float] = []

    async def run() -> None:
        reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
        while True:
            due, request = await queue.get()
            status, body = await post(reader, writer, request)
            taken.append(time.perf_counter() - due)
            queue.task_done()
            if not 200 <= status < 300:
                raise SystemExit(f"{status}: {body[:300]!r}")

    began = time.perf_counter()
    runs = [asyncio.ensure_future(run()) for _ in range(connections)]
    for number, request in enumerate(requests):
        due = began + number / per_second
        await asyncio.sleep(max(0, due - time.perf_counter()))
        queue.put_nowait((due, request))
    await queue.join()
    spent = time.perf_counter() - began
    for one in runs:
        one.cancel()
    return _summary(taken, spent)


async def alternate(url: str, requests: Sequence[bytes], rounds: int) -> list[float]:
    """Post each in turn over one connection, so many times; the median milliseconds of each.

    Every other round goes the other way, so that none is always the one after the same other.
    """
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    taken: list[list[float]] = [[] for _ in requests]
    for number in range(rounds):
        for place in list(range(len(requests)))[:: -1 if number % 2 else 1]:
            began = time.perf_counter()
            status, body = await post(reader, writer, requests[place])
            taken[place].append((time.perf_counter() - began) * 1000)
            if status != 202:
                raise SystemExit(f"{status}: {body[:300]!r}")
    writer.close()
    return [statistics.median(found) for found in taken]


def _summary(taken: list[float], spent: float) -> dict[str, Any]:
    taken.sort()
    return {
        "requests": len(taken),
        "per_second": len(taken) / spent,
        "p50_ms": taken[len(taken) // 2] * 1000,
        "p99_ms": taken[int(len(taken) * 0.99)] * 1000,
    }


def _ids(body: dict[str, Any]) -> list[str]:
    return [item["id"] for item in body.get("data", [body])]


def main() -> None:
    """Do what is asked."""
    asked = json.load(sys.stdin)
    url, key, path = asked["url"], asked["key"], asked["path"]
    if "bodies" in asked:
        requests = [encode(url, key, path, body) for body in asked["bodies"]]
        if "rounds" in asked:
            print(json.dumps(asyncio.run(alternate(url, requests, asked["rounds"]))))
            return
        told = each(url, requests, asked["connections"], asked["per_second"])
        print(json.dumps(asyncio.run(told)))
        return
    request = encode(url, key, path, asked["body"])
    if "per_second" in asked:
        result = asyncio.run(pace(url, request, asked["per_second"], asked["count"]))
    else:
        result = asyncio.run(flood(url, request, asked["connections"], asked["seconds"]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
