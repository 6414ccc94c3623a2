"""The stage: PostgreSQL and Redis of the bench's own, and Hiram's processes to start and stop."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg

from hiram.embedded.environment import ROOT
from hiram.embedded.home import Home
from hiram.embedded.launch import launch
from hiram.embedded.postgres import Postgres
from hiram.embedded.redis import Redis

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60


class BenchFailed(Exception):
    """A part of the bench did not do what it must; no figure of it would mean anything."""


class Stage:
    """A context manager: inside, the servers run and `env` tells processes where they are."""

    def __init__(self, home: Path) -> None:
        """Keep everything below `home`."""
        self.home = Home(home)
        self.postgres = Postgres(home, durable=True)
        self.redis = Redis(home)
        self.env: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Start PostgreSQL (durable, as in production) and Redis, and migrate."""
        self.home.make()
        self.postgres.start()
        self.redis.start()
        web, ops = self.home.port("bench_web"), self.home.port("bench_ops")
        self.env = {name: v for name, v in os.environ.items() if not name.startswith("HIRAM_")} | {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "CELERY_BROKER_URL": self.redis.url,
            "HIRAM_HOME": str(self.home.path),
            "HIRAM_ENV": "development",
            "HIRAM_SECRET_KEY": self.home.secret("HIRAM_SECRET_KEY"),
            "HIRAM_ENCRYPTION_KEYS": self.home.key("HIRAM_ENCRYPTION_KEYS"),
            "HIRAM_PORT": str(web),
            "HIRAM_OPS_PORT": str(ops),
            "HIRAM_LOG_LEVEL": "WARNING",
            "PROMETHEUS_MULTIPROC_DIR": str(self.home.run / "metrics"),
            "PYTHONPATH": str(ROOT),
        }
        self.manage("migrate", "--no-input")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the servers."""
        self.redis.stop()
        self.postgres.stop()

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.env['HIRAM_PORT']}"

    def manage(self, *words: str) -> str:
        """Run a management command; what it printed.

        Raises:
            BenchFailed: it failed.
        """
        return self.python(str(ROOT / "manage.py"), *words)

    def python(
        self, *words: str, python: str = sys.executable, seconds: float = 600, given: str = ""
    ) -> str:
        """Run Python with the stage's environment; what it printed.

        Raises:
            BenchFailed: it failed.
        """
        done = subprocess.run(  # noqa: S603
            [python, *words],
            env=self.env,
            capture_output=True,
            text=True,
            input=given,
            timeout=seconds,
            check=False,
        )
        if done.returncode:
            raise BenchFailed(f"{' '.join(words)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def measure(self, module: str, asked: Any = None) -> Any:
        """Run a module of the bench, given JSON, in a process of its own; the JSON it prints."""
        printed = self.python("-m", f"hiram.bench.{module}", given=json.dumps(asked))
        return json.loads(printed.splitlines()[-1])

    @contextmanager
    def running(self, *names: str) -> Iterator[list[int]]:
        """Hiram's processes of these names, ready; the process groups' ids."""
        log = (self.home.log / "bench.log").open("ab")
        commands = {
            "web": [sys.executable, str(ROOT / "manage.py"), "web"],
            "relay": _celery("relay", "solo", "1"),
            "worker": _celery("deliver", "prefork", "2"),
            "beat": [*_CELERY, "beat", "--pidfile="],
        }
        started = [launch(commands[name], env=self.env, output=log) for name in names]
        try:
            if "web" in names:
                self.wait_for(self._answers, "the API")
            yield [process.pid for process in started]
        finally:
            for process in started:
                process.terminate()
            for process in started:
                _end(process)
            log.close()

    def sql(self, statement: str, database: str = "") -> Any:
        """Run a statement of our own; the first field of its first row, if it has rows."""
        url = self._url(database) if database else self.env["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(statement.encode())
            row = found.fetchone() if found.description else None
        return row[0] if row else None

    @contextmanager
    def copy(self, name: str) -> Iterator[Stage]:
        """The same servers, with a copy of the database while nobody is connected to it.

        It can run processes of its own beside those of the first.
        """
        self.make_database(name, "hiram")
        other = copy.copy(self)
        other.env = self.env | {
            "DATABASE_URL": self._url(name),
            "HIRAM_PORT": str(self.home.port(f"{name}_web")),
            "HIRAM_OPS_PORT": str(self.home.port(f"{name}_ops")),
        }
        try:
            yield other
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)", "postgres")

    def make_database(self, name: str, template: str = "template1") -> str:
        """A new one in place of what a broken run may have left; its URL."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", "postgres")
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}", "postgres")
        return self._url(name)

    def _url(self, database: str) -> str:
        return urlsplit(self.postgres.url)._replace(path=f"/{database}").geturl()

    def wait_for(
        self, condition: Callable[[], bool], what: str, seconds: float = _START_SECONDS
    ) -> None:
        """Wait until the condition holds.

        Raises:
            BenchFailed: it did not in time.
        """
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise BenchFailed(f"{what}: not within {seconds:g} s")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/v1/handshake", timeout=1)  # noqa: S310
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


_CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "hiram.celery")


def _celery(name: str, pool: str, processes: str) -> list[str]:
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [
        *_CELERY, "worker", "-Q", name, "-P", pool, "-c", processes, "-n", f"{name}@%h", *options,
    ]  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)


def cpu_seconds(groups: list[int]) -> float:
    """The processor time that all processes of these sessions have used so far."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) in groups:  # proc(5): session, after state, ppid and pgrp
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS_PER_SECOND
