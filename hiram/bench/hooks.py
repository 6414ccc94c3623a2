"""Webhooks: how many a second, and what a slow endpoint does to another's."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from hiram.bench.measures import (
    BATCH,
    LETTER,
    OWED,
    Measure,
    Tenancy,
    arrival_milliseconds,
    ask,
    at_most,
    count,
    load,
    shadowy,
    sink,
)
from hiram.bench.stage import Stage

TOLD = 6_000
PACED, PACE_PER_SECOND = 200, 10
LEAST_PER_SECOND = 400
_FORGET_MAIL = "DELETE FROM notifications_outboxmessage WHERE topic = 'notification'"


def hooks(stage: Stage) -> Iterator[Measure]:
    """A tenant in shadow: all is done but a provider's call, and its webhooks are posted."""
    with sink(stage, "hook_sink") as (port, arrivals):
        yield _rate(stage, port, arrivals)
        yield _beside_a_slow_one(stage, port, arrivals)


def _rate(stage: Stage, port: int, arrivals: Path) -> Measure:
    """Posts a second from a backlog of them."""
    who = shadowy(stage)
    with stage.running("web"):
        batch = {"notifications": [LETTER] * BATCH}
        load(stage, who, "/v1/notifications/batch", batch, per_second=1_000, count=TOLD // BATCH)
        hook = _hook(stage, who, port, "fast")
        ask(stage, who, f"/v1/webhooks/{hook}/recover", {"since": "2020-01-01T00:00:00Z"}, 202)
    stage.sql(_FORGET_MAIL)
    before = count(arrivals)
    with stage.running("worker", "relay", "beat"):
        stage.wait_for(lambda: count(arrivals) - before >= TOLD, "the webhooks", 120)
        stage.wait_for(lambda: stage.sql(OWED) == 0, "them", 60)
    moments = [float(line.split()[0]) for line in arrivals.read_text().splitlines()[before:]]
    rate = TOLD / (moments[-1] - moments[0])
    return Measure(
        "webhooks to a local sink", rate, "/s", "wanted", LEAST_PER_SECOND,
        rate / LEAST_PER_SECOND, 1.0, rate >= LEAST_PER_SECOND,
    )  # fmt: skip


def _beside_a_slow_one(stage: Stage, port: int, arrivals: Path) -> Measure:
    """From the 202 to the webhook of acceptance, beside an endpoint that answers after 30 s."""
    quiet, beside = shadowy(stage), shadowy(stage)
    with stage.running("web", "worker", "relay", "beat"):
        for who in (quiet, beside):
            _hook(stage, who, port, "fast")
        _hook(stage, beside, port, "slow")
        taken = [
            statistics.quantiles(
                arrival_milliseconds(stage, who, arrivals, PACED, PACE_PER_SECOND), n=20
            )[-1]
            for who in (quiet, beside)
        ]
    return at_most(
        "webhooks, p95 beside one of 30 s", taken[1], "ms", ("without it", taken[0]), 2.0
    )


def _hook(stage: Stage, who: Tenancy, port: int, path: str) -> str:
    url = f"http://127.0.0.1:{port}/{path}"
    body = {"url": url, "events": ["notification.accepted"]}
    made: str = ask(stage, who, "/v1/webhooks", body, 201)["id"]
    return made
