"""A tenant and its calls."""

from __future__ import annotations

import pytest

from tenants.models import Tenant
from tests.factories import TenantFactory
from tests.notifications.calls import Api, api


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def live(tenant: Tenant) -> Api:
    return api(tenant)
