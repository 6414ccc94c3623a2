"""The least that Celery can cost: a worker, beat, and one task that does nothing each second."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("noop", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_ignore_result=True,
    worker_enable_remote_control=False,
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={"tick": {"task": "noop.tick", "schedule": 1.0}},
)


@app.task(name="noop.tick")
def tick() -> None:
    """Do nothing."""
