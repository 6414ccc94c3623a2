"""What granian serves: `granian --interface rsgi hiram.rsgi:app`.

A body is read here, by the event loop, under a deadline and a limit, before a thread is taken for
it: whoever sends slowly holds a socket and nothing else. Then Django's WSGI handler runs in one of
a few threads, with few requests waiting for them; more are told to come again.
See `docs/adr/0003-rsgi-shell.md`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BytesIO
from typing import Any, TypeAlias

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from granian.rsgi import HTTPProtocol, ProtocolError, Scope  # type: ignore[attr-defined]

from hiram import telemetry
from hiram.lib.crew import Crew
from hiram.lib.doorbell import doorbell
from hiram.lib.problems import Problem
from hiram.lib.rest import BODY_OCTETS, LARGE_BODY_OCTETS, refuse, request_id
from hiram.wsgi import application
from notifications import rendering

logger = logging.getLogger(__name__)

BODY_SECONDS = 10.0
WAITING = 64
LARGE_AT_ONCE = 8

Environ: TypeAlias = dict[str, Any]
Wsgi: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Shell:
    """Runs a WSGI application behind a wall that slow and large bodies do not pass."""

    def __init__(
        self,
        wsgi: Wsgi,
        *,
        threads: int,
        waiting: int = WAITING,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """`waiting` requests may wait for one of the `threads`; a body has `body_seconds`."""
        self._wsgi = wsgi
        self._most = threads + waiting
        self._body_seconds = body_seconds
        self._taken = 0
        self._large = 0
        self._crew = Crew(threads, "web")

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin, in the process that will serve."""
        telemetry.start("web")
        # Its first press connects to the broker: not while the first notification waits.
        doorbell.ring()
        self._crew.start()
        rendering.start()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End: no request is open any more."""
        self._crew.stop()
        rendering.close()
        telemetry.stop()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Serve one request."""
        share = _Share(self)
        try:
            body = await self._read(scope, protocol, share)
            if self._taken >= self._most:
                raise _busy()
            self._taken += 1
            try:
                await self._run(scope, protocol, body)
            finally:
                self._taken -= 1
        except Problem as problem:
            _refuse(scope, protocol, problem)
        finally:
            share.give_back()

    async def _read(self, scope: Scope, protocol: HTTPProtocol, share: _Share) -> bytes:
        """The whole body.

        Raises:
            Problem: 400, 408, 413, or 503 when too many large ones are coming in at once.
        """
        length = scope.headers.get("content-length")
        if length is None and not _is_chunked(scope):
            return b""
        try:
            async with asyncio.timeout(self._body_seconds):
                if length is None:
                    return await _chunks(protocol, share)
                share.grow(int(length) if length.isdecimal() else LARGE_BODY_OCTETS + 1)
                return await protocol()
        except TimeoutError as error:
            raise Problem(
                "request-timeout", f"The body did not come within {self._body_seconds:g} seconds."
            ) from error
        except ProtocolError as error:
            raise _broken() from error

    async def _run(self, scope: Scope, protocol: HTTPProtocol, body: bytes) -> None:
        """Have a thread answer, and wait until it is free again."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def job() -> None:
            try:
                self._answer(scope, protocol, body)
            except Exception:
                logger.exception("no answer was made")
                _refuse(scope, protocol, Problem("internal"))
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_finish, done)

        self._crew.do(job)
        await done

    def _answer(self, scope: Scope, protocol: HTTPProtocol, body: bytes) -> None:
        told: list[tuple[int, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            told.append((int(status[:3]), headers))

        response = self._wsgi(environ(scope, body), start_response)
        try:
            # Collected, not streamed: a slow reader is the server's business, not a thread's.
            content = b"".join(response)
            status, headers = told[-1]
            protocol.response_bytes(status, headers, content)
        finally:
            if hasattr(response, "close"):
                response.close()


class _Share:
    """One request's share of what large bodies may take."""

    __slots__ = ("_is_large", "_shell")

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._is_large = False

    def grow(self, octets: int) -> None:
        """The body has, or will have, this many octets.

        Raises:
            Problem: 413; 503 when too many large ones are held at once.
        """
        if octets > LARGE_BODY_OCTETS:
            raise Problem("too-large", f"The body may have at most {LARGE_BODY_OCTETS} octets.")
        if octets > BODY_OCTETS and not self._is_large:
            if self._shell._large >= LARGE_AT_ONCE:
                raise _busy()
            self._shell._large += 1
            self._is_large = True

    def give_back(self) -> None:
        """The request is over."""
        self._shell._large -= self._is_large
        self._is_large = False


async def _chunks(protocol: HTTPProtocol, share: _Share) -> bytes:
    """A body of unknown length."""
    body = bytearray()
    ended = False
    async for chunk in protocol:
        # granian ends a stream with one empty chunk, and gives another before it for an error.
        if ended:
            raise _broken()
        ended = not chunk
        body += chunk
        share.grow(len(body))
    return bytes(body)


def environ(scope: Scope, body: bytes) -> Environ:
    """The request as PEP 3333 wants it."""
    host, _, port = scope.server.rpartition(":")
    made: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": _PROTOCOLS.get(scope.http_version, "HTTP/1.1"),
        "GATEWAY_INTERFACE": "CGI/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        # A name with an underscore would pass for the one with a hyphen, which proxies check.
        if "_" in name or name == "content-length":
            continue
        key = (
            "CONTENT_TYPE" if name == "content-type" else f"HTTP_{name.upper()}".replace("-", "_")
        )
        made[key] = f"{made[key]}{_JOINT.get(name, ',')}{value}" if key in made else value
    if scope.authority:  # RFC 9112 section 3.2.2: a target's own authority overrides Host
        made["HTTP_HOST"] = scope.authority
    return made


_PROTOCOLS = {"1": "HTTP/1.0", "1.1": "HTTP/1.1", "2": "HTTP/2"}
_JOINT = {"cookie": "; "}


def _is_chunked(scope: Scope) -> bool:
    return "transfer-encoding" in scope.headers or scope.http_version.startswith("2")


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _busy() -> Problem:
    return Problem("busy", headers={"Retry-After": "1"})


def _broken() -> Problem:
    return Problem("malformed", "The body broke off.")


def _refuse(scope: Scope, protocol: HTTPProtocol, problem: Problem) -> None:
    """Answer without Django's handler, in the same form as an endpoint would."""
    request = WSGIRequest(environ(scope, b""))
    response = refuse(request, problem)
    headers = [*response.items(), ("X-Request-Id", request_id(request))]
    protocol.response_bytes(problem.status, headers, response.content)


app = Shell(application, threads=settings.WEB_THREADS)
