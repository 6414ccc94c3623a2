"""One instance for the tests of a session; each test has tenants of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.street.instance import Instance
from tests.street.tenant import Tenant


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    with Instance(HIRAM_CALL_SECONDS="10", HIRAM_LEASE_SECONDS="20") as running:
        yield running


@pytest.fixture
def tenant(instance: Instance) -> Tenant:
    """A tenant with a provider of e-mail."""
    made = instance.tenant()
    made.provider()
    return made
