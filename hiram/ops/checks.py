"""What must hold for Hiram to be ready, and what should."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db import ProgrammingError
from django.db.backends.utils import CursorWrapper
from django.db.migrations.loader import MigrationLoader
from redis import Redis

from hiram.ops.database import own_connection
from hiram.ops.probe import Late, Probe

BEAT_KEY = "hiram:beat"
BEAT_SECONDS = 10
_REDIS_SECONDS = 0.4
_NAMED = 5

Findings = dict[str, str]

_DURABILITY = """
SELECT name FROM pg_settings
 WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
 ORDER BY name
"""


def unsafe_durability(cursor: CursorWrapper) -> list[str]:
    """The settings of PostgreSQL that let a crash lose what was confirmed; empty when all is well.

    Serving with one of them would make every 202 a lie.
    """
    cursor.execute(_DURABILITY)
    return [name for (name,) in cursor.fetchall()]


_FENCE = "SELECT EXISTS (SELECT FROM notifications_restorefence)"
_MILD = ("restore_fence",)
"""Of what is found in PostgreSQL, what does not stand against being ready."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What stands against being ready, and what merely goes slower, each with its reason."""

    failed: Findings
    degraded: Findings

    @property
    def status(self) -> str:
        """In one word."""
        return "unavailable" if self.failed else "degraded" if self.degraded else "ready"


class Checks:
    """Every check takes about a second at most and runs at most once a second."""

    def __init__(self, stopping: threading.Event) -> None:
        """Not ready from the moment `stopping` is set."""
        self._stopping = stopping
        self._connection = own_connection()
        # Files do not change under a running process, so they are read once.
        self._known = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
        self._redis = Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
        )
        self._database_probe = Probe(self._database)
        self._redis_probe = Probe(self._redis_and_beat)

    def readiness(self) -> Readiness:
        """Look at everything."""
        failed = {"stopping": "the process is stopping"} if self._stopping.is_set() else {}
        failed |= _ask("postgresql", self._database_probe.ask)
        degraded = {name: failed.pop(name) for name in _MILD if name in failed}
        return Readiness(failed, degraded | _ask("redis", self._redis_probe.ask))

    def close(self) -> None:
        """Give the connections back."""
        self._connection.close()
        self._redis.close()

    def _database(self) -> Findings:
        try:
            with self._connection.cursor() as cursor:
                unsafe = unsafe_durability(cursor)
                missing = self._missing(cursor)
                fenced = not missing and self._fenced(cursor)
        except Exception:
            self._connection.close()
            raise
        found = {}
        if unsafe:
            found["durability"] = f"off in PostgreSQL: {', '.join(unsafe)}"
        if missing:
            more = ", ..." if len(missing) > _NAMED else ""
            named = ", ".join(missing[:_NAMED])
            found["migrations"] = f"{len(missing)} not applied: {named}{more}"
        if fenced:
            found["restore_fence"] = "up: nothing is sent until manage.py restore_fence --release"
        return found

    @staticmethod
    def _fenced(cursor: CursorWrapper) -> bool:
        cursor.execute(_FENCE)
        return bool(cursor.fetchone()[0])

    def _missing(self, cursor: CursorWrapper) -> list[str]:
        """Migrations that this code has and the database has not."""
        try:
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = {(app, name) for app, name in cursor.fetchall()}
        except ProgrammingError:
            applied = set()
        for key, migration in self._known.items():
            # A squashed migration stands for those it replaces, and they for it.
            if key in applied:
                applied |= set(migration.replaces)
            elif migration.replaces and applied.issuperset(migration.replaces):
                applied |= {key}
        return [f"{app}.{name}" for app, name in sorted(set(self._known) - applied)]

    def _redis_and_beat(self) -> Findings:
        self._redis.ping()
        heard = cache.get(BEAT_KEY)
        if heard is None:
            return {"beat": "never heard"}
        seconds = time.time() - float(heard)
        return {"beat": f"not heard for {seconds:.0f} s"} if seconds > BEAT_SECONDS else {}


def _ask(name: str, ask: Callable[[], Findings]) -> Findings:
    try:
        return ask()
    except Late:
        return {name: "no answer in time"}
    except Exception as error:
        # Not the error's own words: they name hosts and users.
        return {name: f"cannot be asked: {type(error).__name__}"}
