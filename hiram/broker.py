"""Redis as the broker, made to drop what no Celery ever wrote.

kombu gives such a message to its worker as an error that ends it, after all that it is doing: so
each piece of junk in a queue would cost a restart. Here it costs a line in the log.
"""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

logger = logging.getLogger(__name__)

_NO_MESSAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a message raises when it is none; errors of Redis and of connections are others."""


class Channel(redis.Channel):
    """kombu's, but for junk."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # not in the stubs
        except _NO_MESSAGE as error:
            # It has been taken from its queue already.
            logger.warning("no message: %s", type(error).__name__)
            return True


class Transport(redis.Transport):
    """With that channel."""

    Channel = Channel


def install() -> None:
    """Use it for every `redis://` and `rediss://`."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
