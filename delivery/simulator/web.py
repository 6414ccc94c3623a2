"""A small HTTP/1.1 server (RFC 9112) that can also misbehave on purpose.

Our own, on asyncio streams, because a fault needs the connection itself (cut it unread, cut it
unanswered, drip an answer), which a WSGI or ASGI server does not give, and because it shares one
event loop with the SMTP server: no thread a connection, no lock around the mailbox.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol, cast

logger = logging.getLogger(__name__)

MAX_HEAD = 64 * 1024
# Resend takes e-mails of 40 MB (https://resend.com/docs/dashboard/emails/attachments); no vendor
# here takes more.
MAX_BODY = 40 * 1024 * 1024
IDLE_SECONDS = 75
LINGER_SECONDS = 2
FLUSH_SECONDS = 0.5

_encode = json.JSONEncoder(separators=(",", ":")).encode
_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.([01])")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*)")
_LENGTH = re.compile(r"\d{1,12}", re.ASCII)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[^\r\n]*)?\r\n")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_SINGLE = {"host", "content-length", "transfer-encoding", "origin", "authorization"}


@dataclass(slots=True)
class Request:
    """One request; header names in lower case, `query` as it was written."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    keep_alive: bool
    body: bytes = b""


@dataclass(slots=True)
class Response:
    """One answer and how it is given: late (`delay`), byte by byte (`drip`), or `cut` instead.

    `delay` is in seconds, `drip` in seconds a byte. `done` is called when the exchange is over,
    however it ended.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    drip: float = 0
    cut: bool = False
    done: Callable[[], None] | None = None


def answer(status: int, value: Any, *, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    fields = {"content-type": "application/json", **(headers or {})}
    return Response(status, _encode(value).encode(), fields)


def problem(status: int, detail: str, errors: Iterable[Mapping[str, str]] = ()) -> Response:
    """An RFC 9457 answer; `errors` has `{pointer, detail}` (RFC 6901 pointers)."""
    value: dict[str, Any] = {"title": _PHRASES[status], "status": status}
    value["detail"] = detail
    if found := list(errors):
        value["errors"] = found
    return answer(status, value, headers={"content-type": "application/problem+json"})


class Malformed(Exception):
    """A request that cannot be read on; the connection ends after the answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Application(Protocol):
    """What answers: quickly, without waiting, in the event loop's thread."""

    def gate(self, request: Request) -> Response | None:
        """Look at a request before its body is read; an answer here is final."""
        ...

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        ...


def parse_head(raw: bytes) -> Request:
    """Read a request line and header section. Raises `Malformed`."""
    lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    line = _REQUEST_LINE.fullmatch(lines[0])
    if line is None:
        raise Malformed(400, "the request line is malformed")
    headers: dict[str, str] = {}
    for text in lines[1:]:
        found = _FIELD.fullmatch(text)
        if found is None:
            raise Malformed(400, "a header line is malformed")
        name, value = found.group(1).lower(), found.group(2).strip(" \t")
        if name in headers:
            if name in _SINGLE:
                raise Malformed(400, f"the header {name} is given twice")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    path, _, query = line.group(2).partition("?")
    keep = line.group(3) == "1" and headers.get("connection", "").lower() != "close"
    return Request(line.group(1), path, query, headers, keep)


async def read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """The request's content, by its length or its chunks. Raises `Malformed`."""
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        # Both at once is how requests are smuggled (RFC 9112, 6.1).
        if coding.lower() != "chunked" or length is not None:
            raise Malformed(400, "only chunked, without a length, is understood")
        return await _read_chunks(reader)
    if length is None:
        return b""
    if _LENGTH.fullmatch(length) is None:
        raise Malformed(400, "the content length is malformed")
    if int(length) > MAX_BODY:
        raise Malformed(413, f"the limit is {MAX_BODY} bytes")
    return await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        line = _CHUNK.fullmatch(await reader.readuntil(b"\r\n"))
        if line is None:
            raise Malformed(400, "a chunk is malformed")
        size = int(line.group(1), 16)
        if len(body) + size > MAX_BODY:
            raise Malformed(413, f"the limit is {MAX_BODY} bytes")
        if size == 0:
            break
        chunk = await reader.readexactly(size + 2)
        if not chunk.endswith(b"\r\n"):
            raise Malformed(400, "a chunk is malformed")
        body += chunk[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(body)


class WebServer:
    """Serves an application on connections that `asyncio.start_server` hands over."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._connections[task] = writer
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            # `close` ends us; a connection's task has nobody above it to tell.
            pass
        finally:
            del self._connections[task]
            writer.close()

    async def close(self) -> None:
        """End every connection; what was answered is still flushed, if the peer reads it."""
        connections = dict(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        closing = [asyncio.create_task(w.wait_closed()) for w in connections.values()]
        if closing:
            await asyncio.wait(closing, timeout=FLUSH_SECONDS)
        for writer in connections.values():
            writer.transport.abort()
        await asyncio.gather(*closing, return_exceptions=True)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether there may be another."""
        idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, writer.transport.abort)
        try:
            request, response = await self._receive(reader, writer)
        except Malformed as error:
            await _send(writer, problem(error.status, error.detail), chunked=False, last=True)
            await _linger(reader, writer)
            return False
        finally:
            idle.cancel()
        if response is None:
            response = self._respond(request)
        try:
            if response.delay:
                await asyncio.sleep(response.delay)
            if response.cut:
                writer.transport.abort()
                return False
            await _send(writer, response, chunked=request.keep_alive, last=not request.keep_alive)
        finally:
            if response.done is not None:
                response.done()
        return request.keep_alive

    async def _receive(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[Request, Response | None]:
        try:
            raw = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise Malformed(431, f"the limit is {MAX_HEAD} bytes") from error
        request = parse_head(raw)
        early = self._application.gate(request)
        if early is not None and early.cut:
            return request, early
        if request.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.body = await read_body(reader, request.headers)
        return request, early

    def _respond(self, request: Request) -> Response:
        try:
            return self._application.answer(request)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return problem(500, "the simulator failed; its log says why")


async def _send(
    writer: asyncio.StreamWriter, response: Response, *, chunked: bool, last: bool
) -> None:
    body = response.body
    if not isinstance(body, bytes) and not chunked:
        body = b"".join(body)
    head = _head(response, len(body) if isinstance(body, bytes) else None, last=last)
    if not isinstance(body, bytes):
        writer.write(head)
        for piece in body:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
    elif response.drip:
        await drip(writer, head + body, response.drip)
    else:
        writer.write(head + body)
    await writer.drain()


async def drip(writer: asyncio.StreamWriter, data: bytes, seconds: float) -> None:
    """Write one byte every `seconds`."""
    for index in range(len(data)):
        await asyncio.sleep(seconds)
        writer.write(data[index : index + 1])
        await writer.drain()


def _head(response: Response, length: int | None, *, last: bool) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_PHRASES.get(response.status, '')}"]
    # RFC 9110, 8.6: an answer without content has no length either.
    if response.status != 204:
        chunked = length is None
        lines.append("transfer-encoding: chunked" if chunked else f"content-length: {length}")
    lines += (f"{name}: {value}" for name, value in response.headers.items())
    if last:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read on a little, so that a client in the middle of its request gets to see the answer."""
    if writer.can_write_eof():
        writer.write_eof()
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while await reader.read(MAX_HEAD):
                pass
    except TimeoutError:
        pass
