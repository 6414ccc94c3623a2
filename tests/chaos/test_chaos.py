"""Kill everything, again and again, under load; then nothing is lost.

The seed decides the order of the faults and the victims. `HIRAM_CHAOS_SEED` repeats a run, as
far as the machine's own timing allows.
"""

from __future__ import annotations

import pytest

from tests.chaos.run import Form, run

SHORT = Form(1_500, 20, 1, patient=False, drain_seconds=90, away=5)
FULL = Form(5_000, 40, 3, patient=True, drain_seconds=600, away=60)


@pytest.mark.xdist_group("chaos")
@pytest.mark.parametrize(
    "form",
    [pytest.param(SHORT, id="short"), pytest.param(FULL, id="full", marks=pytest.mark.chaos)],
)
def test_nothing_is_lost(form, capsys):
    run(form, capsys)
