"""The instance before its processes run, and as a whole."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hiram.embedded.environment import ROOT
from hiram.embedded.home import Home, Unavailable
from hiram.embedded.instance import check_ports
from tests.embedded.waiting import lives, until

PORTS = {"HIRAM_PORT": "3357", "HIRAM_STREAM_PORT": "3358", "HIRAM_OPS_PORT": "3359"}
NAMES = ["beat", "postgres", "redis", "relay", "simulator", "web", "worker"]


@pytest.mark.parametrize("name", PORTS)
def test_a_port_in_use_is_named_with_its_variable(name, tmp_path):
    home = Home(tmp_path)
    free = {variable: str(home.port(variable)) for variable in PORTS}
    check_ports(free)
    with (
        socket.create_server(("127.0.0.1", int(free[name]))),
        pytest.raises(Unavailable) as raised,
    ):
        check_ports(free)

    assert (
        str(raised.value) == f"port {free[name]} is in use: stop what listens there, or set {name}"
    )


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "http", "3357 ", "\N{SUPERSCRIPT TWO}"])
def test_what_is_no_port(text):
    with pytest.raises(Unavailable, match=r"^HIRAM_PORT: expected a port, got "):
        check_ports({**PORTS, "HIRAM_PORT": text})


def test_one_port_twice(tmp_path):
    port = str(Home(tmp_path).port("x"))
    with pytest.raises(Unavailable, match=f"^HIRAM_STREAM_PORT and HIRAM_PORT are both {port}$"):
        check_ports({**PORTS, "HIRAM_PORT": port, "HIRAM_STREAM_PORT": port})


class Instance:
    """Hiram as a newcomer has it: by `manage.py`, in a home of its own."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        ours = ("HIRAM_", "DATABASE_", "REDIS_", "CELERY_", "PROMETHEUS_", "DJANGO_", "PYTEST_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(ours)} | {
            "HIRAM_HOME": str(path),
            **{name: str(self.home.port(name)) for name in PORTS},
        }

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *words],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def pids(self) -> dict[str, int]:
        """The processes by name, from the pid files, of which one may go while this looks."""
        found = {}
        for path in self.home.run.glob("*.pid"):
            with suppress(FileNotFoundError):
                found[path.stem] = int(path.read_text())
        return found

    def ready(self) -> bool:
        """Whether /readyz says so."""
        port = int(self.env["HIRAM_OPS_PORT"])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """An instance of the test's own, not started."""
    mine = Instance(tmp_path)
    yield mine
    mine.manage("down")


def test_up_survives_kills_refuses_a_second_and_goes_down_with_its_data_kept(instance):
    up = instance.manage("up", "--detach", "--json")
    assert (up.returncode, up.stderr) == (0, "")
    facts = json.loads(up.stdout)
    before = instance.pids()
    assert sorted(before) == NAMES
    assert facts == {
        "pid": facts["pid"],
        **json.loads((instance.home.path / "demo.json").read_text()),
    }
    assert instance.ready()

    second = instance.manage("up")
    assert second.returncode == 1
    assert f"already runs in {instance.home.path} (pid {facts['pid']})" in second.stderr

    for name in NAMES:
        os.kill(before[name], signal.SIGKILL)
    until(lambda: all(instance.pids().get(n, before[n]) != before[n] for n in NAMES), 60)
    until(instance.ready, 60)
    after = instance.pids()

    down = instance.manage("down", "--json")
    assert down.returncode == 0
    assert json.loads(down.stdout)["stopped"] is True
    assert not any(lives(pid) for pid in after.values())
    assert sorted(instance.pids()) == []

    again = instance.manage("up", "--detach", "--json")
    assert json.loads(again.stdout)["api_key"] == facts["api_key"]
    os.kill(json.loads(again.stdout)["pid"], signal.SIGKILL)
    until(lambda: not any(lives(pid) for pid in instance.pids().values()), 30)
    assert instance.manage("down").stdout == f"Nothing runs in {instance.home.path}.\n"
