"""When to try again. Pure: chance is passed in, and only PostgreSQL's clock makes a time of it."""

from __future__ import annotations

STEPS_SECONDS = (4, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200)
"""Waits between tries; the last one repeats until the notification expires. The shape is that of
mail queues: quick against a hiccup, patient against an outage."""

JITTER = 0.2
"""Waits vary by a fifth both ways, so that what failed together does not come back together."""

UNKNOWN_LEAST_SECONDS = 75
"""After a lost answer: long enough that a delivery report or the provider's own queue settles."""

RETRY_AFTER_MOST_SECONDS = 86_400
"""A provider's Retry-After is believed up to a day."""


def wait_seconds(
    tries: int, chance: float, *, unknown: bool = False, retry_after: float | None = None
) -> float:
    """Seconds from the outcome of try number `tries` (from 1) to the next.

    `chance` is uniform in [0, 1). A provider's `retry_after` (seconds) only ever lengthens.
    """
    step: float = STEPS_SECONDS[min(tries, len(STEPS_SECONDS)) - 1]
    if unknown:
        step = max(step, UNKNOWN_LEAST_SECONDS)
    step *= 1 + JITTER * (2 * chance - 1)
    return max(step, min(retry_after or 0, RETRY_AFTER_MOST_SECONDS))
