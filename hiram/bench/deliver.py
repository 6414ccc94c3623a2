"""Deliver: how fast a backlog goes out by SMTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hiram.bench.child import Child
from hiram.bench.measures import (
    BATCH,
    EMPTY,
    LETTER,
    OWED,
    Measure,
    Tenancy,
    at_least,
    in_turn,
    load,
)
from hiram.bench.peer_process import post_office
from hiram.bench.stage import Stage

ROUNDS, MAILS = 5, 3_000
WARM_UP = 500
SETTINGS = ((1, 5), (2, 5), (2, 16), (4, 8))
"""Processes of the peer, and threads in each; the best of these is what counts."""
TRIES, TRIED = 2, 1_500

_HOLD = "INSERT INTO notifications_restorefence (id) VALUES (gen_random_uuid())"
_LET_GO = "DELETE FROM notifications_restorefence"


def delivering(stage: Stage, who: Tenancy, port: int, arrivals: Path) -> Iterator[Measure]:
    """Deliveries a second: from the first arrival to the last one, until all are settled."""
    stage.sql(EMPTY)
    with post_office(stage, port) as peer:
        best = _best(peer)
        with stage.running("web", "worker", "relay", "beat"):
            _delivered(stage, who, arrivals, WARM_UP)
            rates = in_turn(
                ROUNDS,
                {
                    "ours": lambda: _delivered(stage, who, arrivals, MAILS),
                    "theirs": _sending(peer, best, MAILS),
                },
            )
    yield at_least(
        "delivered by SMTP", rates["ours"], "/s",
        ("post-office send_queued", rates["theirs"]), 0.8,
    )  # fmt: skip


def _best(peer: Child) -> tuple[int, int]:
    """The peer's best setting."""
    _sending(peer, SETTINGS[0], WARM_UP)()
    rates = in_turn(TRIES, {setting: _sending(peer, setting, TRIED) for setting in SETTINGS})
    return max(rates, key=rates.__getitem__)


def _sending(
    peer: Child, setting: tuple[int, int], mails: int
) -> Callable[[], tuple[float, float]]:
    processes, threads = setting
    return partial(peer.ask, send_queued=mails, processes=processes, threads=threads)


def _delivered(stage: Stage, who: Tenancy, arrivals: Path, mails: int) -> tuple[float, float]:
    """Mails and seconds. The workers run all the time and are held back while mails pile up."""
    stage.sql(_HOLD)
    batch = {"notifications": [LETTER] * BATCH}
    load(stage, who, "/v1/notifications/batch", batch, per_second=1_000, count=mails // BATCH)
    since = arrivals.stat().st_size
    stage.sql(_LET_GO)
    stage.wait_for(lambda: _new(arrivals, since).count(b"\n") >= mails, "delivery", 300)
    stage.wait_for(lambda: stage.sql(OWED) == 0, "settling", 60)
    moments = [float(line.split()[0]) for line in _new(arrivals, since).splitlines()]
    return mails, moments[-1] - moments[0]


def _new(arrivals: Path, since: int) -> bytes:
    with arrivals.open("rb") as log:
        log.seek(since)
        return log.read()
