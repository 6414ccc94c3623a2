"""The servers of the test run itself: one set a run, none left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.embedded.waiting import lives, until

RUN = """
import json, os, sys, tests
try:
    print(json.dumps({name: text for name, text in os.environ.items() if "_" in name}), flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    pass
"""
OURS = ("HIRAM_", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "PYTEST_XDIST_WORKER")


@contextmanager
def _run(**given: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Another run of tests: its first process, and the environment it gives to the rest."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        env=env | given,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin
        assert process.stdout
        yield process, json.loads(process.stdout.readline())
        process.stdin.close()


def _servers(environ: dict[str, str]) -> list[int]:
    run = Path(environ["HIRAM_HOME"]) / "run"
    return [int((run / f"{name}.pid").read_text()) for name in ("postgres", "redis")]


@pytest.mark.parametrize("signum", [None, signal.SIGINT])
def test_the_end_of_a_run_leaves_nothing(signum):
    with _run() as (process, environ):
        servers = _servers(environ)
        assert all(lives(pid) for pid in servers)
        if signum:
            process.send_signal(signum)

    assert process.returncode == 0
    assert not any(lives(pid) for pid in servers)
    assert not Path(environ["HIRAM_HOME"]).exists()


def test_a_killed_run_leaves_no_server_and_the_next_run_takes_its_folder_away():
    with _run() as (process, environ):
        servers = _servers(environ)
        process.kill()
        process.wait()
        until(lambda: not any(lives(pid) for pid in servers))
    assert Path(environ["HIRAM_HOME"]).exists()

    with _run():
        assert not Path(environ["HIRAM_HOME"]).exists()


def test_a_worker_of_the_run_has_its_servers_and_a_redis_database_of_its_own():
    with _run() as (_, environ), _run(**environ, PYTEST_XDIST_WORKER="gw1") as (_, worker):
        assert worker["DATABASE_URL"] == environ["DATABASE_URL"]
        assert environ["REDIS_URL"].endswith("/0")
        assert worker["REDIS_URL"] == environ["REDIS_URL"][:-1] + "2"
        assert worker["CELERY_BROKER_URL"] == worker["REDIS_URL"]
        assert worker["HIRAM_HOME"] == environ["HIRAM_HOME"]


def test_servers_that_are_given_are_used():
    given = {"DATABASE_URL": "postgresql://given/x", "REDIS_URL": "redis://given/5"}

    with _run(**given) as (_, environ):
        assert {name: environ[name] for name in given} == given
        assert environ["CELERY_BROKER_URL"] == "redis://given/5"
        assert list((Path(environ["HIRAM_HOME"]) / "run").glob("*.pid")) == []
        with _run(**environ, PYTEST_XDIST_WORKER="gw1") as (_, worker):
            assert worker["REDIS_URL"] == "redis://given/5"
