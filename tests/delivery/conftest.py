"""A simulator, and a process's slots, for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from delivery.deliver import Delivery
from delivery.simulator.server import Simulator
from tenants.models import Provider, Tenant
from tests.factories import ProviderFactory, TenantFactory


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    simulator_process.clear()
    return simulator_process


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def provider(tenant: Tenant, simulator: Simulator) -> Provider:
    return ProviderFactory.create(tenant=tenant, port=simulator.smtp_port)


@pytest.fixture(scope="session")
def slots() -> Delivery:
    return Delivery(8)


@pytest.fixture
def run(slots: Delivery) -> Callable[[], int]:
    """Deliver what is due now; how many calls were settled."""
    return lambda: slots.run(seconds=30)
