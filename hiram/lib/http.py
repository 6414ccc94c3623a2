"""HTTP to providers and webhooks: guarded, bounded in time and size, never retried by itself.

A session from here connects only where `hiram.lib.outbound` lets it, ends with the current
`hiram.lib.deadline`, follows no redirect, keeps no cookie, obeys no proxy or netrc of the
environment, and reads at most a set number of bytes. Connections are kept and used again.
"""

from __future__ import annotations

import contextlib
import http.client
import http.cookiejar
import logging
import os
import time
import weakref
from typing import Any

import requests
import requests.adapters
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions

from hiram.lib.deadline import Limit, current, deadline
from hiram.lib.outbound import (
    NotSent,
    Policy,
    Refused,
    check,
    connect,
    plain_host,
    policy,
    tls,
    use,
)

__all__ = [
    "Guarded",
    "GuardedAdapter",
    "Limit",
    "NotSent",
    "Policy",
    "Refused",
    "check",
    "connect",
    "current",
    "deadline",
    "plain_host",
    "policy",
    "session",
    "tls",
    "use",
]

MAX_BYTES = 64 * 1024
CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 30.0
IDLE_SECONDS = 20.0

# urllib3 logs whole URLs, and some vendors take their token in the path.
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class _Response(http.client.HTTPResponse):
    """Keeps the status line when what follows it is endless, broken or cut."""

    def begin(self, *args: Any, **named: Any) -> None:
        try:
            super().begin(*args, **named)
        except (http.client.HTTPException, OSError):
            if not isinstance(self.status, int):
                raise
            self.headers = self.msg = http.client.HTTPMessage()
            self.chunked = False
            self.length = 0
            self.will_close = True
        lengths = set(self.headers.get_all("content-length", ()))
        if len(lengths) > 1 or not all(length.isdecimal() for length in lengths):
            del self.headers["content-length"]  # urllib3 would give up the answer for it


class Guarded:
    """Mixed into a urllib3 connection class, before it: connections are guarded and watched.

    Whatever fails before the first byte of a request raises NotSent; Refused is one. A class of
    TLS connections sets `secure`.
    """

    secure = False

    response_class = _Response
    sock: Any
    host: str
    port: int
    timeout: float | None
    _dns_host: str
    _used_at = 0.0
    _begun = False

    def _new_conn(self) -> Any:
        if not self.secure and not policy().plain:
            raise Refused("plain http is not allowed, use https")
        timeout = CONNECT_SECONDS if self.timeout is None else min(self.timeout, CONNECT_SECONDS)
        return connect(self._dns_host, self.port, timeout=timeout)

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except NotSent:
            raise
        except Exception as error:
            raise NotSent(f"no connection to {self.host}: {_cause(error)}") from error

    def request(self, *args: Any, **named: Any) -> None:
        limit = current()
        if self.sock is not None and limit is not None:
            limit.watch(self.sock)
        self._used_at = time.monotonic()
        self._begun = False
        try:
            super().request(*args, **named)  # type: ignore[misc]
        except ValueError:
            if self._begun:
                raise
            raise NotSent("the request is not valid") from None

    def endheaders(self, *args: Any, **named: Any) -> None:
        self._begun = True
        super().endheaders(*args, **named)  # type: ignore[misc]

    def getresponse(self) -> Any:
        response = super().getresponse()  # type: ignore[misc]
        self._used_at = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        """Whether it may carry one more request: not closed by the peer, not idle for long."""
        fresh = time.monotonic() - self._used_at < IDLE_SECONDS
        return fresh and super().is_connected  # type: ignore[misc]


class _PlainConnection(Guarded, urllib3.connection.HTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(Guarded, urllib3.connection.HTTPSConnection):  # type: ignore[misc]
    secure = True


class _PlainPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class GuardedAdapter(requests.adapters.HTTPAdapter):
    """Mounted on a requests session for `https://` and `http://`.

    `max_bytes` bounds a response's body, which is never decompressed: what is longer, cut or late
    is returned as far as it came, under its status. `connections` are kept per host.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES, connections: int = 32) -> None:
        self.max_bytes = max_bytes
        self.connections = connections
        super().__init__(pool_connections=connections, pool_maxsize=connections, max_retries=0)
        _adapters.add(self)

    def forked(self) -> None:
        """In a child process: leave the parent's connections to the parent."""
        self.init_poolmanager(self.connections, self.connections)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **named: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=tls(), **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave verification to the shared context, which has its roots loaded once."""
        if verify is not True:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]

    def send(
        self, request: requests.PreparedRequest, *args: Any, **named: Any
    ) -> requests.Response:
        """Send once; raises NotSent, or requests.RequestException when it may have been taken."""
        request.headers["Accept-Encoding"] = "identity"
        limit = current()
        seconds = TOTAL_SECONDS if limit is None else limit.remaining()
        if seconds <= 0:
            raise NotSent("no time left to send")
        named.update(stream=True, timeout=(min(seconds, CONNECT_SECONDS), seconds), proxies=None)
        try:
            response = super().send(request, *args, **named)
        except requests.exceptions.InvalidURL:
            raise NotSent("the request is not valid") from None
        vars(response).update(_content=self._body(response.raw), _content_consumed=True)
        return response

    def _body(self, raw: Any) -> bytes:
        """At most `max_bytes` of the body. After a whole one the connection has gone back to the
        pool by itself; else it is closed here.
        """
        body = b""
        troubles = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
        with contextlib.suppress(*troubles):
            while len(body) < self.max_bytes:
                piece = raw.read1(self.max_bytes - len(body), decode_content=False)
                if not piece:
                    break
                body += piece
        raw.close()
        return body


_adapters: weakref.WeakSet[GuardedAdapter] = weakref.WeakSet()


def _forked() -> None:
    for adapter in list(_adapters):
        adapter.forked()


os.register_at_fork(after_in_child=_forked)


class _Session(requests.Session):
    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        try:
            return super().prepare_request(request)
        except (requests.RequestException, ValueError):
            raise NotSent("the request is not valid") from None

    def get_adapter(self, url: str) -> requests.adapters.BaseAdapter:
        try:
            return super().get_adapter(url)
        except requests.exceptions.InvalidSchema:
            raise NotSent("the address is neither https nor http") from None

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No redirect is followed: it could lead anywhere, and may be a second send."""


def session(*, max_bytes: int = MAX_BYTES, connections: int = 32) -> requests.Session:
    """A session for any number of threads; a call's time is its `deadline`, else 30 s.

    Raises from its calls: NotSent (Refused is one) when surely nothing left, and
    requests.RequestException when the request may have been taken. A 3xx is an answer like any.
    """
    made = _Session()
    made.trust_env = False
    made.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    adapter = GuardedAdapter(max_bytes=max_bytes, connections=connections)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


def _cause(error: BaseException) -> str:
    """What went wrong in words that hold no URL and no address of ours."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, TimeoutError):
        return "timed out"
    return getattr(error, "strerror", None) or type(error).__name__
