"""`manage.py simulator` as a process."""

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from delivery.simulator.address import Address, read_address, remove_address, write_address

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60


@contextmanager
def process(home: Path, *options: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "HIRAM_HOME": str(home), **variables}
    command = [sys.executable, "-W", "error", "manage.py", "simulator", *options]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def listening(home: Path, started: subprocess.Popen[str]) -> Address:
    """The address, as soon as it is announced; the announcement is the first line printed."""
    assert started.stdout is not None
    line = started.stdout.readline()
    address = read_address(home)
    assert address is not None, started.communicate()
    assert line == f"simulator: smtp 127.0.0.1:{address.smtp_port}, {address.http_url}\n"
    return address


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_itself_takes_mail_and_stops_when_told(tmp_path, number):
    with process(tmp_path) as started:
        address = listening(tmp_path, started)
        with smtplib.SMTP(address.smtp_host, address.smtp_port, timeout=10) as client:
            client.sendmail("a@shop.test", ["b@shop.test"], b"Subject: s\r\n\r\nx\r\n")
            assert requests.get(f"{address.http_url}/count", timeout=10).json()["count"] == 1
            begun = time.monotonic()
            started.send_signal(number)
            _, errors = started.communicate(timeout=10)
            assert time.monotonic() - begun < 2
            client.close()
    assert (started.returncode, errors) == (0, "")
    assert read_address(tmp_path) is None
    with process(tmp_path) as started:
        url = listening(tmp_path, started).http_url
        assert requests.get(f"{url}/count", timeout=10).json()["count"] == 1


def test_ports_are_options_and_variables(tmp_path):
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        smtp, http = one.getsockname()[1], two.getsockname()[1]
    variables = {"HIRAM_SIMULATOR_SMTP_PORT": "1", "HIRAM_SIMULATOR_HTTP_PORT": str(http)}
    with process(
        tmp_path / "other", "--smtp-port", str(smtp), "--home", str(tmp_path), **variables
    ) as started:
        expected = Address("127.0.0.1", smtp, f"http://127.0.0.1:{http}")
        assert listening(tmp_path, started) == expected


def test_a_port_in_use_is_a_clear_message(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with process(tmp_path, "--http-port", port) as started:
            _, errors = started.communicate(timeout=SECONDS)
    assert started.returncode == 1
    assert "the simulator cannot start" in errors
    assert f"127.0.0.1', {port}" in errors
    assert read_address(tmp_path) is None


def test_it_does_not_run_in_production_unless_switched_on(tmp_path):
    with process(tmp_path, HIRAM_ENV="production") as started:
        _, errors = started.communicate(timeout=SECONDS)
    assert started.returncode == 1
    assert "HIRAM_SIMULATOR=1" in errors
    with process(tmp_path, HIRAM_ENV="production", HIRAM_SIMULATOR="1") as started:
        assert listening(tmp_path, started).smtp_port > 0


def test_an_address_is_withdrawn_only_by_its_owner(tmp_path):
    first, second = Address("127.0.0.1", 1, "http://x"), Address("127.0.0.1", 2, "http://y")
    assert read_address(tmp_path) is None
    write_address(tmp_path, first)
    assert json.loads((tmp_path / "run" / "simulator.json").read_text()) == {
        "smtp_host": "127.0.0.1",
        "smtp_port": 1,
        "http_url": "http://x",
    }
    write_address(tmp_path, second)
    remove_address(tmp_path, first)
    assert read_address(tmp_path) == second
    remove_address(tmp_path, second)
    assert read_address(tmp_path) is None
    assert [path.name for path in (tmp_path / "run").iterdir()] == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"smtp_host": "x"}'])
def test_an_unreadable_address_is_none(tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "simulator.json").write_text(text)
    assert read_address(tmp_path) is None
