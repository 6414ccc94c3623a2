"""When to try again. Pure: chance is passed in, and only PostgreSQL's clock makes a time of it."""

from __future__ import annotations

from collections.abc import Sequence

JITTER = 0.2
"""Waits vary by a fifth both ways, so that what failed together does not come back together."""

UNKNOWN_LEAST_SECONDS = 75
"""After a lost answer: long enough that a delivery report or the provider's own queue settles."""

RETRY_AFTER_MOST_SECONDS = 86_400
"""A provider's Retry-After is believed up to a day."""

TRIES_OF_A_LIFE = 10
"""No step is longer than this part of the notification's lifetime, so that what is worth
something for five minutes is not first tried again when they are over..."""

SHORT_STEP_SECONDS = 4
"""... but no step is made shorter than this."""


def wait_seconds(
    tries: int,
    chance: float,
    steps: Sequence[int],
    lifetime: float,
    *,
    least: float = 0,
    retry_after: float | None = None,
) -> float:
    """Seconds from the outcome of try number `tries` (from 1) to the next.

    `steps` are seconds, the last one repeats; `lifetime` is the seconds for which it is tried in
    all; `chance` is uniform in [0, 1). `least` (seconds) and a provider's `retry_after` (seconds)
    only ever lengthen.
    """
    step = float(steps[min(tries, len(steps)) - 1])
    step = min(step, max(SHORT_STEP_SECONDS, lifetime / TRIES_OF_A_LIFE))
    step = max(step, least)
    step *= 1 + JITTER * (2 * chance - 1)
    return max(step, min(retry_after or 0, RETRY_AFTER_MOST_SECONDS))
