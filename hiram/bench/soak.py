"""Soak: whether the queue's table stays as small after a million notifications as at first."""

from __future__ import annotations

from collections.abc import Iterator

from hiram.bench.measures import BATCH, LETTER, OWED, Measure, at_most, load, shadowy
from hiram.bench.stage import Stage

ROUNDS, SLICES, SLICE = 10, 10, 10_000
ROUND = SLICES * SLICE
PER_SECOND = 900
_SIZE = "SELECT pg_total_relation_size('notifications_outboxmessage')"


def soak(stage: Stage) -> Iterator[Measure]:
    """1,000,000 notifications through the whole engine, all but the provider's call.

    After each 100,000, with nothing owed, the table with its indexes may have twice the size that
    it had after the first. They come in slices, each after the end of the one before it: the table
    never shrinks, and would tell how large a backlog this machine once let grow.
    """
    who = shadowy(stage)
    batch = {"notifications": [LETTER] * BATCH}
    sizes: list[float] = []
    with stage.running("web", "relay", "worker", "beat"):
        for number in range(ROUNDS):
            for _ in range(SLICES):
                asked = {"per_second": PER_SECOND / BATCH, "count": SLICE // BATCH}
                load(stage, who, "/v1/notifications/batch", batch, **asked)
                stage.wait_for(lambda: stage.sql(OWED) == 0, "settling", 300)
            sizes.append(stage.sql(_SIZE) / 2**20)
            yield at_most(
                f"outbox after {(number + 1) * ROUND:,}", sizes[-1], "MiB",
                (f"after {ROUND:,}", sizes[0]), 2.0,
            )  # fmt: skip
