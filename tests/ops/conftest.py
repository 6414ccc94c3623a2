"""The operations port, served in this process."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, connections
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoDbBlocker

from hiram.ops.server import Server
from tests.embedded.waiting import until
from tests.ops.stall import Stall
from tests.ops.web import Web, granian


@dataclass(frozen=True)
class Said:
    """An answer, and how long it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def samples(self) -> dict[tuple[str, ...], float]:
        """Metrics by their name and the values of their labels."""
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.body.decode())
            for sample in family.samples
        }


@dataclass(frozen=True)
class Port:
    """Where it is served, and how to stop it."""

    number: int
    stopping: threading.Event
    server: Server
    others: frozenset[threading.Thread]
    """Those that ran before it."""

    def busy(self) -> bool:
        """Whether a thread of its own still serves a request."""
        names = (t.name for t in threading.enumerate() if t not in self.others)
        return any("process_request" in name for name in names)

    def ask(self, path: str, method: str = "GET") -> Said:
        client = http.client.HTTPConnection("127.0.0.1", self.number, timeout=10)
        began = time.monotonic()
        try:
            client.request(method, path)
            response = client.getresponse()
            body = response.read()
            took = time.monotonic() - began
            return Said(response.status, dict(response.headers), body, took)
        finally:
            client.close()


@contextmanager
def serving(**options: Any) -> Iterator[Port]:
    """A server of its own, on a free port."""
    stopping = threading.Event()
    others = frozenset(threading.enumerate())
    with Server("127.0.0.1", 0, stopping, **options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield Port(server.server_address[1], stopping, server, others)
        finally:
            server.shutdown()
            thread.join()
            until(lambda: not [t for t in threading.enumerate() if t.name == "probe"])
            server.checks.close()
            server.figures.close()


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The database without the clean-up after, for tests that leave no rows."""
    with django_db_blocker.unblock():
        yield
        connection.close()


@pytest.fixture
def port(database: None) -> Iterator[Port]:
    with serving() as found:
        yield found


@pytest.fixture
def stall(database: None) -> Iterator[Stall]:
    """PostgreSQL behind a relay that can freeze; for whoever connects from now on."""
    connection.ensure_connection()
    info = connection.connection.info

    def connect() -> socket.socket:
        if info.host.startswith("/"):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(f"{info.host}/.s.PGSQL.{info.port}")
            return sock
        return socket.create_connection((info.host, info.port))

    with Stall(connect) as relay, postgresql_at(relay.port):
        yield relay


@contextmanager
def postgresql_at(number: int) -> Iterator[None]:
    """Whoever connects inside looks for PostgreSQL at this port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connections["default"].settings_dict, "HOST", "127.0.0.1")
        patch.setitem(connections["default"].settings_dict, "PORT", str(number))
        yield


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with granian(tmp_path_factory.mktemp("web")) as found:
        yield found
