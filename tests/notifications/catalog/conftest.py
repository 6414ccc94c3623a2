"""A tenant and its key."""

from __future__ import annotations

import pytest

from tenants.models import Tenant
from tests.tenancy import Caller, caller, make_tenant


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def api(tenant: Tenant) -> Caller:
    return caller(tenant)
