"""Limits: a provider's calls in a second, held across all workers by a token bucket in Redis.

Without Redis each process keeps to its share: slower than allowed at worst, never faster.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.1
AWAY_SECONDS = 2
"""After a failure Redis is left alone for so long: a frozen one must not delay every call."""

_TAKE = """
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = math.min(burst, (tonumber(held[1]) or burst)
                               + math.max(0, now - (tonumber(held[2]) or now)) * rate)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = (1 - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 60)
return tostring(wait)
"""


class Bucket:
    """One process's own token bucket, filled by its monotonic clock."""

    def __init__(self) -> None:
        self._tokens: float | None = None
        self._at = 0.0

    def take(self, rate: float, at: float) -> float:
        """Take a token; 0, or the seconds until there is one. `rate` is per second."""
        burst = _burst(rate)
        before = burst if self._tokens is None else self._tokens
        self._tokens = min(burst, before + max(0.0, at - self._at) * rate)
        self._at = at
        if self._tokens < 1:
            return (1 - self._tokens) / rate
        self._tokens -= 1
        return 0.0


def _burst(rate: float) -> float:
    """A second's worth, one at least."""
    return max(1.0, rate)


class Limits:
    """Token buckets by provider."""

    def __init__(self, url: str) -> None:
        """`url` is that of Redis."""
        self._url = url
        self._own: dict[UUID, Bucket] = {}
        self._lock = threading.Lock()
        self._away_until = 0.0

    @lru_cache(maxsize=1)  # noqa: B019
    def _script(self) -> Any:
        redis = Redis.from_url(
            self._url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        return redis.register_script(_TAKE)

    def take(self, provider_id: UUID, rate: float) -> float:
        """Take leave for one call; 0, or after how many seconds to ask again.

        `rate` is how many calls a second all workers may make together.
        """
        now = time.monotonic()
        if now >= self._away_until:
            try:
                key = f"hiram:rate:{provider_id}"
                return float(self._script()(keys=[key], args=[rate, _burst(rate)]))
            except RedisError as error:
                logger.warning("rates are held by shares: %s", type(error).__name__)
                self._away_until = now + AWAY_SECONDS
        with self._lock:
            bucket = self._own.setdefault(provider_id, Bucket())
            return bucket.take(rate / settings.WORKER_PROCESSES, now)


@lru_cache(maxsize=1)
def limits() -> Limits:
    """This process's."""
    return Limits(settings.REDIS_URL)
