"""Claim: what history and lanes make of its time. The worlds are databases side by side."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from hiram.bench.child import Child, child
from hiram.bench.measures import EMPTY, Measure, at_most
from hiram.bench.stage import Stage

CLAIMS, BLOCK, WARM_UP = 500, 25, 50
ROWS, ROUNDS = 500, 20

WORLDS = {
    "small": {"settled": 10_000, "lanes": 0, "active": 10, "rows": 1_000},
    "settled": {"settled": 1_000_000, "lanes": 0, "active": 10, "rows": 1_000},
    "lanes": {"settled": 10_000, "lanes": 100_000, "active": 10, "rows": 1_000},
    "one": {"settled": 10_000, "lanes": 0, "active": 1, "rows": ROWS * (ROUNDS + 1)},
    "thousand": {"settled": 10_000, "lanes": 0, "active": 1_000, "rows": ROUNDS + 5},
}
"""Settled notifications; lanes without rows; lanes with rows, and the rows of each."""


def claiming(stage: Stage) -> Iterator[Measure]:
    """The claim's time as history and lanes grow."""
    stage.sql(EMPTY)
    with ExitStack() as stack:
        worlds: dict[str, Child] = {}
        for name in WORLDS:
            place = stack.enter_context(stage.copy(f"bench_{name}"))
            worlds[name] = stack.enter_context(child(place, "-m", "hiram.bench.claims"))
        for name, told in WORLDS.items():
            worlds[name].ask(make=told)
        # Or what these rows cost is paid in the middle of a measure.
        stage.sql("CHECKPOINT")
        ones = [worlds[name] for name in ("small", "settled", "lanes")]
        for world in ones:
            world.ask(claim=1, times=WARM_UP)
        small, settled, lanes = _medians(ones, 1, CLAIMS, BLOCK)
        for name in ("one", "thousand"):
            worlds[name].ask(claim=ROWS, times=1)
        one, thousand = _medians([worlds["one"], worlds["thousand"]], ROWS, ROUNDS, 1)
    yield at_most(
        "claim at 1,000,000 settled", settled, "ms", ("at 10,000", small), 1.2
    )  # fmt: skip
    yield at_most(
        "claims of 500 over 1,000 lanes", thousand, "ms", ("of one lane", one), 10.0
    )  # fmt: skip
    yield at_most(
        "claim, 10 lanes active of 100,000", lanes, "ms", ("10 of 10", small), 2.0
    )  # fmt: skip


def _medians(worlds: Sequence[Child], rows: int, times: int, block: int) -> list[float]:
    """Of the milliseconds that so many rows take in each world, a block of times in turn."""
    taken: list[list[float]] = [[] for _ in worlds]
    for _ in range(times // block):
        for world, found in zip(worlds, taken, strict=True):
            found += world.ask(claim=rows, times=block)
    return [statistics.median(found) for found in taken]
