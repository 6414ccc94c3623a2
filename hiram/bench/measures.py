"""What a measure is, and what the measures share."""

from __future__ import annotations

import json
import smtplib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from hiram.bench.stage import Stage
from hiram.embedded.environment import ROOT

BATCH = 500
PACED, PACE_PER_SECOND = 400, 20
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


Turn = TypeVar("Turn", bound=Hashable)


def in_turn(
    rounds: int, turns: Mapping[Turn, Callable[[], tuple[float, float]]]
) -> dict[Turn, float]:
    """How much each does a second, the median of its turns: one says how much, in how many seconds.

    Each has one turn a round, forth and back, so that the machine's weather falls on all alike.
    """
    rates: dict[Turn, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name in list(turns)[:: -1 if number % 2 else 1]:
            much, seconds = turns[name]()
            rates[name].append(much / seconds)
    return {name: statistics.median(found) for name, found in rates.items()}


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


def ask(stage: Stage, who: Tenancy, path: str, body: Any, status: int) -> Any:
    """Post once, and be answered with this status; the answer's body."""
    code = (
        "import requests, sys, json\n"
        f"a = requests.post({stage.url + path!r}, json=json.load(sys.stdin),"
        f" headers={{'X-Api-Key': {who.key!r}}}, timeout=30)\n"
        f"assert a.status_code == {status}, a.text\nprint(a.text)"
    )
    return json.loads(stage.python("-c", code, given=json.dumps(body)))


def who_uuid(stage: Stage, who: Tenancy) -> str:
    """The tenant's id as PostgreSQL has it."""
    code = f"from hiram.lib import ids; print(ids.parse('tnt', {who.tenant_id!r}))"
    return stage.python("-c", code).strip()


EMPTY = """
TRUNCATE notifications_outboxmessage, notifications_notification, notifications_content,
         notifications_attempt, notifications_event
"""
OWED = "SELECT count(*) FROM notifications_outboxmessage"


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
