"""Two tenants who do not know each other, and a simulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.simulator.server import Config, Simulator
from tests.delivery.providers.bodies import CANARY
from tests.tenancy import Caller, caller, make_tenant
from tests.unnoted import unnoted

__all__ = ["ours", "sim", "stranger", "unnoted"]


@pytest.fixture
def ours() -> Caller:
    return caller(make_tenant("ours"))


@pytest.fixture
def stranger() -> Caller:
    return caller(make_tenant("stranger"))


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(Config(password=CANARY)) as simulator:
        yield simulator
