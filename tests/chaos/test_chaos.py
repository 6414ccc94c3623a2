"""Kill everything, again and again, under load; then nothing is lost.

The seed decides the order of the faults and the victims. `HIRAM_CHAOS_SEED` repeats a run, as
far as the machine's own timing allows.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.nemesis import every_kind
from tests.chaos.run import Form, run
from tests.chaos.scene import Scene

SHORT = Form(1_500, 20, 1, patient=False, drain_seconds=90, away=5)
FULL = Form(5_000, 20, 2, patient=True, drain_seconds=600, away=60)
ALWAYS = (
    "kill -9 web", "kill -9 worker", "kill -9 relay", "kill -9 beat", "kill -9 redis", "flushall",
    "kill -9 postgres", "stop a child past its lease",
)  # fmt: skip
OTHERS = 6


def some(scene: Scene) -> dict[str, Callable[[], int]]:
    """What befalls every machine one day, and as the seed decides some of the rest."""
    kinds = every_kind(scene)
    others = scene.chance.sample(sorted(kinds.keys() - set(ALWAYS)), OTHERS)
    return {name: kinds[name] for name in (*ALWAYS, *others)}


@pytest.mark.xdist_group("chaos")
def test_nothing_is_lost_short(capsys):
    run(SHORT, capsys, some)


@pytest.mark.chaos
@pytest.mark.xdist_group("chaos")
def test_nothing_is_lost_full(capsys):
    run(FULL, capsys)
