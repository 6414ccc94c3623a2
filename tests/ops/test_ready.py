"""/healthz and /readyz."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache
from django.db import connection
from pytest_django import Settings

from hiram.ops import unsafe_durability
from hiram.ops.checks import BEAT_KEY
from notifications.models import RestoreFence
from tests.embedded.waiting import until
from tests.ops.conftest import Port, postgresql_at, serving
from tests.ops.stall import Stall


@pytest.fixture
def durability(database: None) -> dict[str, str]:
    """What the run's cluster, which may have been made fast and unsafe, is refused for anyway."""
    with connection.cursor() as cursor:
        unsafe = unsafe_durability(cursor)
    return {"durability": f"off in PostgreSQL: {', '.join(unsafe)}"} if unsafe else {}


@pytest.fixture
def beat() -> Iterator[None]:
    cache.set(BEAT_KEY, time.time())
    yield
    cache.delete(BEAT_KEY)


def test_it_lives(port: Port) -> None:
    said = port.ask("/healthz")
    assert (said.status, said.json) == (200, {"status": "alive"})
    assert said.headers["Content-Type"] == "application/json"
    assert said.headers["Cache-Control"] == "no-store"


def test_ready_with_everything_there(port: Port, durability: dict[str, str], beat: None) -> None:
    said = port.ask("/readyz")
    assert said.json == {
        "status": "unavailable" if durability else "ready",
        "failed": durability,
        "degraded": {},
    }
    assert said.status == (503 if durability else 200)


@pytest.mark.parametrize(
    ("beat_at", "degraded"),
    [(None, {"beat": "never heard"}), (-61.0, {"beat": "not heard for 61 s"}), (-5.0, {})],
)
def test_beat_only_degrades(
    port: Port, durability: dict[str, str], beat_at: float | None, degraded: dict[str, str]
) -> None:
    cache.delete(BEAT_KEY)
    if beat_at is not None:
        cache.set(BEAT_KEY, time.time() + beat_at)
    said = port.ask("/readyz")
    cache.delete(BEAT_KEY)
    assert (said.json["failed"], said.json["degraded"]) == (durability, degraded)


def test_the_restore_fence_only_degrades(
    transactional_db: None, port: Port, durability: dict[str, str], beat: None
) -> None:
    RestoreFence.objects.create()
    said = port.ask("/readyz")
    assert said.json["failed"] == durability
    assert list(said.json["degraded"]) == ["restore_fence"]
    assert "restore_fence --release" in said.json["degraded"]["restore_fence"]
    assert port.ask("/metrics").samples()[("hiram_restore_fence_up",)] == 1


def test_redis_away_only_degrades(
    database: None, settings: Settings, durability: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        settings.REDIS_URL = f"redis://127.0.0.1:{unused.getsockname()[1]}/0"
    with serving() as port:
        said = port.ask("/readyz")
    assert said.json["failed"] == durability
    assert said.json["degraded"] == {"redis": "cannot be asked: ConnectionError"}


def test_redis_frozen_only_degrades_and_delays_little(
    database: None, settings: Settings, durability: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with serving() as port:
            said = port.ask("/readyz")
    assert said.json["failed"] == durability
    assert list(said.json["degraded"]) == ["redis"]
    assert said.seconds < 3


def test_stopping(port: Port) -> None:
    port.stopping.set()
    said = port.ask("/readyz")
    assert said.status == 503
    assert said.json["failed"]["stopping"] == "the process is stopping"
    assert said.headers["Retry-After"] == "1"
    assert port.ask("/healthz").status == 200


def test_each_unapplied_migration_is_named(port: Port) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM django_migrations WHERE app IN ('tenants', 'delivery')"
            " AND name = '0001_initial' ORDER BY app"
        )
        found = [i for (i,) in cursor.fetchall()]
        assert len(found) == 2
        cursor.execute("UPDATE django_migrations SET app = app || '?' WHERE id = ANY(%s)", [found])
        said = port.ask("/readyz")
        cursor.execute(
            "UPDATE django_migrations SET app = rtrim(app, '?') WHERE id = ANY(%s)", [found]
        )
    assert said.status == 503
    assert (
        said.json["failed"]["migrations"]
        == "2 not applied: delivery.0001_initial, tenants.0001_initial"
    )
    until(lambda: "migrations" not in port.ask("/readyz").json["failed"])


def test_an_empty_database_has_no_migration_applied(port: Port) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_migrations RENAME TO put_away")
        said = port.ask("/readyz")
        cursor.execute("ALTER TABLE put_away RENAME TO django_migrations")
    assert said.status == 503
    assert "not applied: " in said.json["failed"]["migrations"]
    assert said.json["failed"]["migrations"].endswith(", ...")


def test_durability_is_asked_of_the_session_that_would_write(database: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        safe = unsafe_durability(cursor)
        cursor.execute("SET synchronous_commit = off")
        assert unsafe_durability(cursor) == sorted([*safe, "synchronous_commit"])
        cursor.execute("RESET synchronous_commit")


def test_a_database_that_does_not_flush_is_not_ready(database: None) -> None:
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        try:
            with serving() as port:
                said = port.ask("/readyz")
        finally:
            cursor.execute(f"ALTER DATABASE {name} RESET synchronous_commit")
    assert said.status == 503
    assert "synchronous_commit" in said.json["failed"]["durability"]


def test_postgresql_away(database: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        gone = unused.getsockname()[1]
    with postgresql_at(gone), serving() as port:
        said = port.ask("/readyz")
        assert port.ask("/healthz").status == 200
    assert said.status == 503
    assert said.json["failed"] == {"postgresql": "cannot be asked: OperationalError"}
    assert str(gone) not in said.body.decode()


def test_postgresql_frozen_and_thawed(
    stall: Stall, durability: dict[str, str], beat: None
) -> None:
    with serving() as port:
        assert port.ask("/readyz").json["failed"] == durability
        stall.freeze()
        until(lambda: "postgresql" in port.ask("/readyz").json["failed"])
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: port.ask("/readyz"), range(20)))
        assert {a.status for a in answers} == {503}
        assert {a.json["failed"]["postgresql"] for a in answers} == {"no answer in time"}
        # All shared the one look that hangs.
        assert max(a.seconds for a in answers) < 1
        assert port.ask("/healthz").status == 200
        figures = port.ask("/metrics")
        assert figures.status == 200
        assert figures.samples()[("hiram_database_up",)] == 0
        stall.thaw()
        until(lambda: port.ask("/readyz").json["failed"] == durability)


def test_postgresql_restarted(port: Port, durability: dict[str, str]) -> None:
    assert port.ask("/readyz").json["failed"] == durability
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'hiram-ops' AND datname = current_database()"
        )
        assert cursor.fetchone()[0] >= 1
    until(lambda: port.ask("/readyz").json["failed"] == durability)


def test_asking_often_asks_postgresql_once_a_second(port: Port) -> None:
    def transactions() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute(
                "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
            )
            return int(cursor.fetchone()[0])

    before, began = transactions(), time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _: port.ask("/readyz"), range(200)))) == 200
    looks = time.monotonic() - began + 2
    # Two statements a look; the rest is this test's own, and autovacuum's.
    assert transactions() - before < 2 * looks + 20


def test_the_threads_end(port: Port) -> None:
    for _ in range(20):
        port.ask("/readyz")
    until(lambda: not port.busy())
