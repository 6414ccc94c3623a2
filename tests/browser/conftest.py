"""A browser, and somebody who may log in to the portal with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from tenants.models import Member, Role, Tenant, User
from tests.browser.webdriver import Browser

PASSWORD = "correct horse battery"


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    found = Tenant.objects.create(name="Acme")
    user = User.objects.create_user("ida@people.example", PASSWORD)
    Member.objects.create(tenant=found, user=user, role=Role.OWNER)
    return found


@pytest.fixture
def base(live_server: LiveServer, settings: Any) -> str:
    # The live server speaks plain HTTP under a port of its own.
    settings.CSRF_TRUSTED_ORIGINS = [live_server.url]
    return str(live_server.url)


def log_in(browser: Browser, base: str) -> None:
    browser.open(f"{base}/portal/")
    browser.type("#id_username", "ida@people.example")
    browser.type("#id_password", PASSWORD)
    browser.click("#login-form button[type=submit]")
    browser.find("#nav-sidebar-inner")
