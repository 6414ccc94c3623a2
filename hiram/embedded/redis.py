"""An embedded Redis: a broker and cache that may lose everything, so it keeps nothing."""

from __future__ import annotations

import json
import signal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hiram.embedded.binaries import find_redis
from hiram.embedded.home import write_private
from hiram.embedded.server import Server

_DATABASES = 64


class Redis(Server):
    """Redis on 127.0.0.1 with a generated password, in memory only.

    Args:
        home: the instance's folder.
    """

    name = "redis"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        return f"redis://:{self.home.secret('redis')}@127.0.0.1:{self.port}/0"

    @property
    def argv(self) -> list[str]:
        return [str(find_redis()), str(self.home.path / "redis" / "redis.conf")]

    def prepare(self) -> None:
        self.home.make()
        find_redis()
        self.take_port()
        folder = self.home.path / "redis"
        folder.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "requirepass": self.home.secret("redis"),  # not on the command line, which all can see
            "dir": json.dumps(str(folder), ensure_ascii=False),
            "databases": _DATABASES,
            "save": '""',
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        lines = (f"{name} {value}\n" for name, value in settings.items())
        write_private(folder / "redis.conf", "".join(lines))

    def ready(self) -> bool:
        once = Retry(NoBackoff(), 0)
        with redis.Redis.from_url(self.url, socket_timeout=2, retry=once) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
