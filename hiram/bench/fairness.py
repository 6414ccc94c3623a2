"""Fairness: what a tenant's backlog does to another tenant's mail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hiram.bench.measures import (
    BATCH,
    EMPTY,
    LETTER,
    Measure,
    Tenancy,
    arrival_milliseconds,
    at_least,
    count,
    load,
    tenancy,
)
from hiram.bench.stage import BenchFailed, Stage

BACKLOG = 100_000
OWN = 2_000
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
        share = fair_share(stage, asking, arrivals)
    stage.sql(EMPTY)
    if count(arrivals) - before >= BACKLOG:
        raise BenchFailed("the backlog was gone before the measure was")
    value, quiet = behind[int(ASKED * 0.95)], alone[int(ASKED * 0.95)]
    yield Measure(
        "high, p95 behind 100,000 bulk", value, "ms", "without them", quiet,
        value / quiet, MOST_MILLISECONDS, value <= MOST_MILLISECONDS,
    )  # fmt: skip
    yield at_least(
        "normal, part behind 100,000 bulk", share * 100, "% of all", ("half of it", 50.0), 0.8
    )


def fair_share(stage: Stage, asking: Tenancy, arrivals: Path) -> float:
    """Which part of the arrivals is one tenant's, of two that wait, while 2,000 of its are."""
    size = arrivals.stat().st_size
    batch = {"notifications": [LETTER] * BATCH}
    keys = load(
        stage, asking, "/v1/notifications/batch", batch, per_second=100, count=OWN // BATCH
    )
    seen: list[bool] = []

    def all_arrived() -> bool:
        with arrivals.open() as log:
            log.seek(size)
            seen[:] = [line.split()[-1] in keys for line in log if line.endswith("\n")]
        return sum(seen) == OWN

    stage.wait_for(all_arrived, "the tenant's own mails", 120)
    first = seen.index(True)
    last = len(seen) - seen[::-1].index(True)
    return OWN / (last - first)
