"""The embedded Redis: keeps nothing, lets nobody in, stays where it is."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
import redis as client
from redis.backoff import NoBackoff
from redis.retry import Retry

from hiram.embedded.redis import Redis
from tests.embedded.waiting import lives, until


def _connect(url: str) -> client.Redis:
    return client.Redis.from_url(url, socket_timeout=5)


def test_it_forgets_all_at_kill_9_and_keeps_its_address(redis):
    redis.start()
    url = redis.url
    with _connect(url) as connection:
        connection.set("a", "b")
    os.kill(redis.pid, signal.SIGKILL)
    until(lambda: redis.pid is None)

    redis.start()

    assert redis.url == url
    with _connect(url) as connection:
        assert connection.get("a") is None
        names = ("save", "appendonly", "maxmemory-policy", "databases")
        assert [connection.config_get(name)[name] for name in names] == [
            *("", "no", "noeviction", "64"),
        ]


def test_nobody_enters_without_the_password(redis):
    redis.start()

    once = Retry(NoBackoff(), 0)
    with (
        client.Redis(port=redis.port, socket_timeout=5, retry=once) as connection,
        pytest.raises(client.AuthenticationError),
    ):
        connection.ping()


def test_the_password_is_on_no_command_line_and_in_no_open_file(redis, tmp_path):
    redis.start()

    assert redis.home.secret("redis") not in Path(f"/proc/{redis.pid}/cmdline").read_text()
    assert (tmp_path / "redis" / "redis.conf").stat().st_mode & 0o777 == 0o600


def test_it_moves_away_from_whoever_has_its_port(redis, tmp_path, keep):
    with socket.create_server(("127.0.0.1", redis.port)):
        before = redis.port
        redis.start()
        assert redis.port != before
        with _connect(redis.url) as connection:
            assert connection.ping()
    moved = redis.port
    redis.stop()

    again = keep(Redis(tmp_path))
    again.start()
    assert again.port == moved


def test_stop_leaves_nothing(redis, tmp_path):
    redis.start()
    pid = redis.pid
    redis.stop()

    assert not lives(pid)
    assert sorted(p.name for p in (tmp_path / "redis").iterdir()) == ["redis.conf"]


@pytest.mark.parametrize("name", ["a b", 'a"b', "a\\b'", "\N{SNOWMAN}"])
def test_a_folder_with_an_odd_name(tmp_path, keep, name):
    redis = keep(Redis(tmp_path / name))
    redis.start()
    with _connect(redis.url) as connection:
        assert connection.config_get("dir") == {"dir": str(tmp_path / name / "redis")}
