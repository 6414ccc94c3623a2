"""Accept: how fast what is posted is kept, beside what keeps the same with less around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hiram.bench.child import Child
from hiram.bench.measures import (
    BATCH,
    EMPTY,
    LETTER,
    Measure,
    Tenancy,
    at_least,
    in_turn,
    load,
    who_uuid,
)
from hiram.bench.peer_process import post_office
from hiram.bench.pgbench import commits
from hiram.bench.stage import Stage

CONNECTIONS, BATCH_CONNECTIONS = 16, 2
ROUNDS, ROUND_SECONDS = 6, 2
WARM_UP_SECONDS = 2
BACKLOG = 1_000_000


def accepting(stage: Stage, who: Tenancy, port: int) -> Iterator[Measure]:
    """Accepts a second over HTTP, workers stopped."""
    stage.sql(EMPTY)
    with post_office(stage, port) as peer, stage.copy("bench_owed") as owed:
        owed.measure("claims", {"owe": BACKLOG})
        with stage.running("web"), owed.running("web"):
            one = _singles(stage, owed, who, peer)
        with stage.running("web"):
            many = _batches(stage, who, peer)
    single = one["single"]
    yield at_least("accept single", single, "/s", ("pgbench, same rows", one["pgbench"]), 0.15)
    yield at_least("accept single", single, "/s", ("post-office send()", one["send"]), 0.8)
    yield at_least("accept, 1,000,000 owed", one["owed"], "/s", ("nothing owed", single), 0.9)
    yield at_least(
        "accept batch of 500", many["batch"] * BATCH, "/s",
        ("post-office send_many", many["send_many"]), 0.8,
    )  # fmt: skip


def _singles(stage: Stage, owed: Stage, who: Tenancy, peer: Child) -> dict[str, float]:
    tenant = who_uuid(stage, who)

    def flood(where: Stage, connections: int, seconds: int) -> tuple[float, float]:
        return _flood(where, who, "", LETTER, connections=connections, seconds=seconds)

    for where in (stage, owed):
        flood(where, 4, WARM_UP_SECONDS)
    peer.ask(send=WARM_UP_SECONDS)
    return in_turn(
        ROUNDS,
        {
            "pgbench": lambda: commits(stage, tenant, clients=CONNECTIONS, seconds=ROUND_SECONDS),
            "single": lambda: flood(stage, CONNECTIONS, ROUND_SECONDS),
            "owed": lambda: flood(owed, CONNECTIONS, ROUND_SECONDS),
            "send": lambda: peer.ask(send=ROUND_SECONDS),
        },
    )


def _batches(stage: Stage, who: Tenancy, peer: Child) -> dict[str, float]:
    body = {"notifications": [LETTER] * BATCH}

    def flood(seconds: int) -> tuple[float, float]:
        return _flood(stage, who, "/batch", body, connections=BATCH_CONNECTIONS, seconds=seconds)

    flood(1)
    peer.ask(send_many=1)
    return in_turn(
        ROUNDS,
        {
            "batch": lambda: flood(ROUND_SECONDS),
            "send_many": lambda: peer.ask(send_many=ROUND_SECONDS),
        },
    )


def _flood(stage: Stage, who: Tenancy, path: str, body: Any, **asked: int) -> tuple[float, float]:
    """Requests and seconds."""
    told = load(stage, who, f"/v1/notifications{path}", body, **asked)
    return told["requests"], told["requests"] / told["per_second"]
