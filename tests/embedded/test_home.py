"""What an instance remembers."""

from __future__ import annotations

import base64
import json
import os
import socket
from pathlib import Path

from hiram.embedded.home import Home, is_free


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_secret_is_made_once_and_differs_by_name(tmp_path):
    first = Home(tmp_path / "var").secret("postgres")

    assert Home(tmp_path / "var").secret("postgres") == first
    assert len(first) == 64
    assert Home(tmp_path / "var").secret("redis") != first
    assert Home(tmp_path / "other").secret("postgres") != first


def test_a_key_is_32_bytes_of_url_safe_base64(tmp_path):
    assert len(base64.urlsafe_b64decode(Home(tmp_path).key("HIRAM_ENCRYPTION_KEYS"))) == 32


def test_nobody_else_reads_the_secrets(tmp_path):
    Home(tmp_path / "var").secret("postgres")

    assert _mode(tmp_path / "var" / "secrets.json") == 0o600
    assert _mode(tmp_path / "var") == (0o711 if os.geteuid() == 0 else 0o700)


def test_a_file_that_others_could_read_is_closed_when_it_is_written_again(tmp_path):
    (tmp_path / "secrets.json").write_text("{}")
    (tmp_path / "secrets.json").chmod(0o644)

    Home(tmp_path).secret("postgres")

    assert _mode(tmp_path / "secrets.json") == 0o600


def test_ports_are_kept_and_never_given_twice(tmp_path):
    ports = {name: Home(tmp_path).port(name) for name in "abcdefgh"}

    assert {name: Home(tmp_path).port(name) for name in "abcdefgh"} == ports
    assert len(set(ports.values())) == 8
    assert all(15_000 <= port < 32_000 for port in ports.values())


def test_a_server_whose_port_is_taken_moves_for_good(tmp_path):
    home = Home(tmp_path)
    before = home.port("redis")

    after = home.move("redis")

    assert home.port("redis") == after
    assert json.loads((tmp_path / "ports.json").read_text()) == {"redis": after}
    assert before in range(15_000, 32_000)


def test_a_port_is_free_only_while_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_port_with_a_connection_just_closed_is_free():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            accepted.close()  # the side that closes first keeps TIME_WAIT
    assert is_free(port)
