"""`manage.py web`: it and Granian live and die together, and it stops without cutting requests."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hiram.embedded.environment import ROOT
from hiram.embedded.home import Home
from tests.embedded.waiting import lives, until

GONE_SECONDS = 60
"""Granian gives a worker that does not end by itself 23 seconds, then kills it."""


class Web:
    """A running web process."""

    def __init__(self, home: Home) -> None:
        self.port, self.ops_port = home.port("web"), home.port("ops")
        self.log = home.path / "web.log"
        env = os.environ | {
            "HIRAM_PORT": str(self.port),
            "HIRAM_OPS_PORT": str(self.ops_port),
            "HIRAM_WEB_WORKERS": "1",
            "HIRAM_DRAIN_SECONDS": "3",
        }
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "web"],
                env=env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def get(self, port: int, path: str) -> tuple[int, bytes] | None:
        """Status and body, None when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return None
        finally:
            connection.close()

    def failed(self) -> set[str]:
        """What /readyz finds wrong."""
        answer = self.get(self.ops_port, "/readyz")
        return set(json.loads(answer[1])["failed"]) if answer else set()

    def children(self) -> list[int]:
        """Granian and its workers."""
        found = [self.process.pid]
        for pid in found:
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    words = (folder / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(words[1]) == pid:
                    found.append(int(folder.name))
        return found[1:]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A web process that serves, over the test run's servers."""
    home = Home(tmp_path)
    home.make()
    mine = Web(home)
    until(lambda: mine.get(mine.ops_port, "/healthz"), 90)
    yield mine
    children = mine.children()
    mine.process.kill()
    mine.process.wait()
    until(lambda: not any(lives(pid) for pid in children), GONE_SECONDS)


def test_the_operations_port_opens_when_a_worker_answers(web):
    assert web.get(web.port, "/v1/handshake")[0] == 401
    assert web.get(web.ops_port, "/healthz")[0] == 200


def test_when_granian_dies_web_fails_and_nothing_serves_on(web):
    children = web.children()
    assert len(children) >= 2

    os.kill(children[0], signal.SIGKILL)

    assert web.process.wait(20) == 1
    assert f"granian ended with -{signal.SIGKILL.value}" in web.log.read_text()
    until(lambda: not any(lives(pid) for pid in children))
    assert web.get(web.port, "/v1/handshake") is None


def test_when_web_is_killed_nothing_serves_on(web):
    children = web.children()

    web.process.kill()

    until(lambda: not any(lives(pid) for pid in children), GONE_SECONDS)
    assert web.get(web.port, "/v1/handshake") is None


def test_a_stop_is_told_by_readyz_while_requests_are_still_served(web):
    children = web.children()
    assert "stopping" not in web.failed()

    web.process.terminate()

    until(lambda: "stopping" in web.failed())
    assert web.get(web.port, "/v1/handshake")[0] == 401
    assert web.process.wait(30) == 0
    assert not any(lives(pid) for pid in children)


def test_a_port_in_use_is_an_error(web, tmp_path):
    second = Web(Home(tmp_path))

    assert second.process.wait(60) == 1
    assert web.get(web.port, "/v1/handshake")[0] == 401
