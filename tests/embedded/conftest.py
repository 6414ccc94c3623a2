"""Homes to try the embedded parts in, and their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hiram.embedded.postgres import Postgres
from hiram.embedded.redis import Redis
from hiram.embedded.server import Server


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder whose path is short enough for a unix socket, also in pytest-xdist's workers."""
    with TemporaryDirectory(prefix="hiram-") as name:
        yield Path(name).resolve()


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[[Server], Server]]:
    """Take a server into care: it is stopped after the test, whatever happens."""
    with ExitStack() as care:

        def take(server: Server) -> Server:
            care.callback(server.stop)
            return server

        yield take


@pytest.fixture
def postgres(tmp_path: Path, keep: Callable[[Server], Server]) -> Postgres:
    """A PostgreSQL of the test's own, not started."""
    server = Postgres(tmp_path, durable=False)
    keep(server)
    return server


@pytest.fixture
def redis(tmp_path: Path, keep: Callable[[Server], Server]) -> Redis:
    """A Redis of the test's own, not started."""
    server = Redis(tmp_path)
    keep(server)
    return server
