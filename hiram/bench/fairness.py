"""Fairness: what a tenant's backlog does to another tenant's mail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hiram.bench.measures import (
    BATCH,
    EMPTY,
    LETTER,
    Measure,
    arrival_milliseconds,
    count,
    load,
    tenancy,
)
from hiram.bench.stage import BenchFailed, Stage

BACKLOG = 100_000
ASKED, ASKED_PER_SECOND = 150, 5
MOST_MILLISECONDS = 2_000


def fairness(stage: Stage, port: int, arrivals: Path) -> Iterator[Measure]:
    """From the 202 to the end of DATA, for a tenant beside one with 100,000 queued mails.

    The limit for the class high is 2 s at the 95th percentile; the same mail without the
    backlog is the reference.
    """
    queuing, asking = tenancy(stage, port), tenancy(stage, port)

    def taken() -> list[float]:
        return arrival_milliseconds(
            stage, asking, arrivals, ASKED, ASKED_PER_SECOND, priority="high"
        )

    with stage.running("web", "relay", "worker", "beat"):
        alone = taken()
    with stage.running("web"):
        batch = {"notifications": [LETTER | {"priority": "bulk", "category": "marketing"}] * BATCH}
        times = BACKLOG // BATCH
        load(stage, queuing, "/v1/notifications/batch", batch, per_second=1_000, count=times)
    before = count(arrivals)
    with stage.running("web", "relay", "worker", "beat"):
        stage.wait_for(lambda: count(arrivals) > before + BATCH, "the backlog")
        behind = taken()
    stage.manage("shell", "-c", EMPTY)
    if count(arrivals) - before >= BACKLOG:
        raise BenchFailed("the backlog was gone before the measure was")
    value, quiet = behind[int(ASKED * 0.95)], alone[int(ASKED * 0.95)]
    yield Measure(
        "high, p95 behind 100,000 bulk", value, "ms", "without them", quiet,
        value / quiet, MOST_MILLISECONDS, value <= MOST_MILLISECONDS,
    )  # fmt: skip
