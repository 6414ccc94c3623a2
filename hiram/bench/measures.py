"""The measures: each runs Hiram and its reference, and says the ratio and the floor."""

from __future__ import annotations

import json
import os
import smtplib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hiram.bench.pgbench import commits_per_second
from hiram.bench.stage import Stage, cpu_seconds
from hiram.embedded.environment import ROOT
from hiram.embedded.launch import launch

CONNECTIONS = 16
SECONDS = 12
BATCH = 500
BACKLOG = 1_000_000
DELIVERED = 8_000
PACED, PACE_PER_SECOND = 400, 20
IDLE_SECONDS = 25
WARM_UP_SECONDS = 20
LETTER = {
    "channel": "email",
    "recipient": "ops@tenant.example",
    "subject": "Order confirmed",
    "body": "x" * 500,
}


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of the table. `floor` is the least ratio, or for a time or cost the most."""

    measure: str
    value: float
    unit: str
    reference: str
    reference_value: float
    ratio: float
    floor: float
    ok: bool

    def as_dict(self) -> dict[str, Any]:
        """For `bench.json`."""
        return asdict(self)


def at_least(name: str, value: float, unit: str, peer: tuple[str, float], floor: float) -> Measure:
    """A rate beside its reference."""
    ratio = value / peer[1]
    return Measure(name, value, unit, *peer, ratio, floor, ratio >= floor)


def at_most(name: str, value: float, unit: str, peer: tuple[str, float], most: float) -> Measure:
    """A cost beside its reference."""
    ratio = value / peer[1]
    return Measure(name, value, unit, *peer, ratio, most, ratio <= most)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """Who the bench posts as."""

    tenant_id: str
    key: str


def _tenant(stage: Stage, *words: str) -> Tenancy:
    name = f"Bench {time.time_ns()}"
    made = json.loads(stage.manage("create_tenant", name, "--json", *words))
    key = json.loads(stage.manage("issue_key", made["tenant_id"], "--json"))["api_key"]
    return Tenancy(made["tenant_id"], key)


def shadowy(stage: Stage) -> Tenancy:
    """A tenant with a key for whom everything is done but the provider's call."""
    return _tenant(stage, "--mode", "shadow")


def tenancy(stage: Stage, port: int) -> Tenancy:
    """A tenant with a key, and a provider at the sink."""
    who = _tenant(stage)
    fields = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "from_email": "b@bench.example",
    }
    words = [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
    stage.manage(
        "set_provider", who.tenant_id, "--channel", "email", "--driver", "smtp",
        "--name", "sink", *words,
    )  # fmt: skip
    return who


@contextmanager
def sink(stage: Stage, module: str = "sink") -> Iterator[tuple[int, Path]]:
    """The sink's port, and the file of its arrivals."""
    path = stage.home.path / f"arrivals-{time.time_ns()}"
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", f"hiram.bench.{module}", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None  # noqa: S101
        yield int(process.stdout.readline()), path
    finally:
        process.kill()
        process.communicate()


def load(stage: Stage, who: Tenancy, path: str, body: Any, **asked: Any) -> Any:
    """Run the HTTP client."""
    words = {"url": stage.url, "key": who.key, "path": path, "body": body, **asked}
    return stage.measure("load", words)


def accepting(stage: Stage, who: Tenancy, peers: dict[str, float]) -> Iterator[Measure]:
    """Accepts a second over HTTP, workers stopped."""
    raw = commits_per_second(stage, who_uuid(stage, who), clients=CONNECTIONS, seconds=SECONDS)
    flood = {"connections": CONNECTIONS, "seconds": SECONDS}
    with stage.running("web"):
        load(stage, who, "/v1/notifications", LETTER, connections=4, seconds=2)
        single = load(stage, who, "/v1/notifications", LETTER, **flood)["per_second"]
        with stage.owing(BACKLOG):
            behind = load(stage, who, "/v1/notifications", LETTER, **flood)["per_second"]
        after = load(stage, who, "/v1/notifications", LETTER, **flood)["per_second"]
        nothing_owed = (single + after) / 2
        batch = {"notifications": [LETTER] * BATCH}
        many = load(stage, who, "/v1/notifications/batch", batch, connections=2, seconds=SECONDS)[
            "per_second"
        ]
    yield at_least("accept single", single, "/s", ("pgbench, same rows", raw), 0.15)
    yield at_least("accept single", single, "/s", ("post-office send()", peers["send"]), 0.8)
    yield at_least("accept, 1,000,000 owed", behind, "/s", ("nothing owed", nothing_owed), 0.9)
    yield at_least(
        "accept batch of 500", many * BATCH, "/s",
        ("post-office send_many", peers["send_many"]), 0.8,
    )  # fmt: skip


def who_uuid(stage: Stage, who: Tenancy) -> str:
    """The tenant's id as PostgreSQL has it."""
    code = f"from hiram.lib import ids; print(ids.parse('tnt', {who.tenant_id!r}))"
    return stage.python("-c", code).strip()


def delivering(
    stage: Stage, who: Tenancy, arrivals: Path, peers: dict[str, float]
) -> Iterator[Measure]:
    """Deliveries a second from a backlog: from the first arrival to the last one settled."""
    stage.manage("shell", "-c", EMPTY)
    with stage.running("web"):
        batch = {"notifications": [LETTER] * BATCH}
        times = DELIVERED // BATCH
        load(stage, who, "/v1/notifications/batch", batch, per_second=1_000, count=times)
    before = count(arrivals)
    with stage.running("worker", "relay", "beat"):
        stage.wait_for(lambda: count(arrivals) - before >= DELIVERED, "delivery", 300)
        stage.wait_for(
            lambda: int(stage.manage("shell", "-v", "0", "-c", OWED)) == 0, "settling", 60
        )
    moments = [float(line.split()[0]) for line in arrivals.read_text().splitlines()[before:]]
    rate = DELIVERED / (moments[-1] - moments[0])
    yield at_least(
        "delivered by SMTP", rate, "/s", ("post-office send_queued", peers["send_queued"]), 0.8
    )


EMPTY = (
    "from django.db import connection as c; c.cursor().execute('TRUNCATE"
    " notifications_outboxmessage, notifications_notification, notifications_content,"
    " notifications_attempt, notifications_event')"
)
OWED = "from notifications.models import OutboxMessage as o; print(o.objects.count())"


def count(arrivals: Path) -> int:
    """Mails that the sink has taken."""
    return arrivals.read_bytes().count(b"\n") if arrivals.exists() else 0


def latency(stage: Stage, who: Tenancy, port: int, arrivals: Path) -> Iterator[Measure]:
    """From the 202 to the end of DATA at the sink, at a gentle rate."""
    with stage.running("web", "relay", "worker", "beat"):
        time.sleep(4)
        arrival_milliseconds(stage, who, arrivals, 20, 10)
        taken = arrival_milliseconds(stage, who, arrivals, PACED, PACE_PER_SECOND)
    alone = dialogue_milliseconds(port)
    for name, value, most in (
        ("202 to end of DATA, p50", statistics.median(taken), 30),
        ("202 to end of DATA, p99", taken[int(PACED * 0.99)], 150),
    ):
        yield Measure(
            name, value, "ms", "the SMTP dialogue alone, p50", alone, value / alone, most,
            value <= most,
        )  # fmt: skip


def arrival_milliseconds(
    stage: Stage, who: Tenancy, arrivals: Path, times: int, per_second: float, **asked: Any
) -> list[float]:
    """From each 202 to the end of DATA, sorted; `asked` are fields of the notifications."""
    seen = arrivals.stat().st_size if arrivals.exists() else 0
    body = LETTER | asked
    answered = load(
        stage, who, "/v1/notifications", body, per_second=per_second, count=times
    )  # fmt: skip
    found: dict[str, float] = {}

    def all_arrived() -> bool:
        with arrivals.open() as log:
            log.seek(seen)
            for line in log:
                moment, _, key = line.strip().partition(" ")
                if key in answered and line.endswith("\n"):
                    found[key] = max(0.0, float(moment) - answered[key]) * 1000
        return len(found) == times

    stage.wait_for(all_arrived, f"the arrival of {times} mails", 60)
    return sorted(found.values())


def dialogue_milliseconds(port: int) -> float:
    """The median of the same dialogue by smtplib, connection kept."""
    text = f"Subject: Order confirmed\r\n\r\n{LETTER['body']}\r\n"
    taken = []
    with smtplib.SMTP("127.0.0.1", port) as client:
        for _ in range(200):
            began = time.perf_counter()
            client.sendmail("b@bench.example", LETTER["recipient"], text)
            taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def claiming(stage: Stage) -> Iterator[Measure]:
    """The claim's time as history and lanes grow."""
    found = stage.measure("claims")
    yield at_most(
        "claim at 1,000,000 settled", found["history_1m"], "ms",
        ("at 10,000", found["history_10k"]), 1.2,
    )  # fmt: skip
    yield at_most(
        "claims of 500 over 1,000 lanes", found["over_1000"], "ms",
        ("of one lane", found["of_one"]), 10.0,
    )  # fmt: skip
    yield at_most(
        "claim, 10 lanes active of 100,000", found["lanes_100k"], "ms",
        ("10 of 10", found["lanes_10"]), 2.0,
    )  # fmt: skip


def idling(stage: Stage) -> Iterator[Measure]:
    """Processor time of a whole idle Hiram beside Celery's own with nothing to do."""
    servers = [stage.redis.pid or 0, stage.postgres.pid or 0]
    with stage.running("web", "relay", "worker", "beat") as groups:
        ours = _spent([*groups, *servers])
    reference = _noop(stage)
    percent = 100 / IDLE_SECONDS
    yield at_most(
        "idle, all processes", ours * percent, "% of a core",
        ("Celery, beat, Redis with a no-op", reference * percent), 2.5,
    )  # fmt: skip


def _noop(stage: Stage) -> float:
    env = stage.env | {"BENCH_BROKER": f"{stage.redis.url.rpartition('/')[0]}/9"}
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "hiram.bench.noop"]
    options = ["-c", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    started = [
        launch([*command, "worker", *options], env=env),
        launch([*command, "beat", "--pidfile="], env=env),
    ]
    try:
        return _spent([*(process.pid for process in started), stage.redis.pid or 0])
    finally:
        for process in started:
            os.killpg(process.pid, 9)
            process.wait(5)


def _spent(sessions: list[int]) -> float:
    time.sleep(WARM_UP_SECONDS)
    before = cpu_seconds(sessions)
    time.sleep(IDLE_SECONDS)
    return cpu_seconds(sessions) - before
