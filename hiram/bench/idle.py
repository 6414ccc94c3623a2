"""Idle: what Hiram costs while nothing is to be done."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hiram.bench.measures import Measure, at_most
from hiram.bench.stage import Stage, cpu_seconds
from hiram.embedded.launch import launch
from hiram.embedded.redis import Redis

WARM_UP_SECONDS = 20
IDLE_SECONDS = 30


def idling(stage: Stage) -> Iterator[Measure]:
    """Processor time of a whole idle Hiram beside Celery's own with nothing to do, at once."""
    with (
        stage.running("web", "relay", "worker", "beat") as groups,
        _noop(stage) as reference,
    ):
        ours = [*groups, stage.redis.pid or 0, stage.postgres.pid or 0]
        time.sleep(WARM_UP_SECONDS)
        before = cpu_seconds(ours), cpu_seconds(reference)
        time.sleep(IDLE_SECONDS)
        after = cpu_seconds(ours), cpu_seconds(reference)
    spent, least = (100 * (b - a) / IDLE_SECONDS for a, b in zip(before, after, strict=True))
    yield at_most(
        "idle, all processes", spent, "% of a core",
        ("Celery, beat, Redis with a no-op", least), 2.5,
    )  # fmt: skip


@contextmanager
def _noop(stage: Stage) -> Iterator[list[int]]:
    """The reference's process groups, its own Redis among them."""
    redis = Redis(stage.home.path / "noop")
    redis.start()
    env = stage.env | {"BENCH_BROKER": redis.url}
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "hiram.bench.noop"]
    options = ["-c", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    started = [
        launch([*command, "worker", *options], env=env),
        launch([*command, "beat", "--pidfile="], env=env),
    ]
    try:
        yield [*(process.pid for process in started), redis.pid or 0]
    finally:
        for process in started:
            os.killpg(process.pid, 9)
            process.wait(5)
        redis.stop()
