"""Wake: the relay's word to the workers' processes that something is due.

A tick in the broker starts a process that rests. One that waits for open calls takes no tick until
they end, and a slow receiver would have everybody else's rows wait for its next look. So it is
told. The word carries nothing: lost, doubled or forged it costs an empty look at most.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

CHANNEL = "hiram:due"
TIMEOUT_SECONDS = 0.1
AWAY_SECONDS = 2
"""After a failure, when the listener tries again."""


def wake() -> None:
    """Tell all processes that listen. Never raises, and blocks for `TIMEOUT_SECONDS` at most."""
    try:
        _speaker().publish(CHANNEL, b"")
    except RedisError as error:
        # They look by themselves, only later.
        logger.info("nobody is woken: %s", type(error).__name__)


@lru_cache(maxsize=1)
def _speaker() -> Redis:
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class Listener(threading.Thread):
    """Calls `look` at each word, from a daemon thread of this process, for as long as it lives."""

    def __init__(self, look: Callable[[], None]) -> None:
        """`look` must return at once and not raise."""
        super().__init__(name="wake", daemon=True)
        self._look = look
        self._rest = threading.Event()

    def run(self) -> None:
        """Listen; when Redis is away, until it is back."""
        redis = Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=TIMEOUT_SECONDS, socket_keepalive=True
        )
        while True:
            try:
                with redis.pubsub(ignore_subscribe_messages=True) as words:  # type: ignore[no-untyped-call]
                    words.subscribe(CHANNEL)
                    for _ in words.listen():
                        self._look()
            except RedisError as error:
                logger.info("not listening for now: %s", type(error).__name__)
            self._rest.wait(AWAY_SECONDS)
