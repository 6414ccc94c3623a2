"""A simulator a test."""

from collections.abc import Iterator

import pytest

from delivery.simulator.server import Simulator


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator
