"""The portal in a real browser: logging in, making a key, seeing it once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from tenants.models import ApiKey, Member, Role, Tenant, User
from tenants.models.api_key import digest
from tests.browser.webdriver import Browser
from tests.factories import email, post

PASSWORD = "correct horse battery"
EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


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


def _log_in(browser: Browser, base: str) -> None:
    browser.open(f"{base}/portal/")
    browser.type("#id_username", "ida@people.example")
    browser.type("#id_password", PASSWORD)
    browser.click("#login-form button[type=submit]")
    browser.find("#nav-sidebar-inner")


def test_a_key_is_made_and_seen_once(browser: Browser, base: str, tenant: Tenant) -> None:
    _log_in(browser, base)
    browser.open(f"{base}/portal/tenants/apikey/add/")
    browser.type("#id_name", "backend")
    browser.click("button[name=_save]")
    text = browser.text("#api-key")
    assert re.fullmatch(r"hk_live_\w{36}", text)
    assert ApiKey.objects.get(tenant=tenant).digest == digest(text)
    browser.click("a[href='/portal/tenants/apikey/'].hiram-button")
    browser.find("#changelist")
    assert text not in browser.source
    # The page that showed it may not be kept: the browser would have to send the form again.
    browser.back()
    assert browser.address.endswith("/add/")
    assert text not in browser.source


def test_nothing_foreign_runs_and_nothing_is_fetched_from_elsewhere(
    browser: Browser, base: str, tenant: Tenant
) -> None:
    html = f"<h1>Hello</h1>{EVIL}<img src='https://evil.example/x.png'>"
    [row] = post(tenant, email(subject="Harmless", html=html, body=EVIL))
    _log_in(browser, base)
    for path in ("/portal/", f"/portal/notifications/notification/{row.pk}/change/",
                 "/portal/notifications/notification/", "/trestleboard/"):  # fmt: skip
        browser.open(base + path)
        browser.find("main, #main")
        assert "owned" not in browser.run("return document.title")
        asked = browser.run("return performance.getEntriesByType('resource').map(e => e.name)")
        assert [name for name in asked if not name.startswith(base)] == []
        refused = [line for line in browser.console() if "frame" not in line]
        # What the frame's own policy refuses is said there; the page itself has nothing to say.
        assert [
            line for line in refused if "evil.example" not in line and "srcdoc" not in line
        ] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_window(
    width: int, browser: Browser, base: str, tenant: Tenant
) -> None:
    long = "x" * 200
    [row] = post(tenant, email(subject=long, metadata={"k" * 60: long}, html=f"<p>{long}</p>"))
    _log_in(browser, base)
    browser.resize(width, 844)
    for path in (
        "/portal/",
        "/portal/notifications/notification/",
        f"/portal/notifications/notification/{row.pk}/change/",
        "/portal/tenants/provider/add/",
        "/portal/tenants/provider/add/?driver=smtp",
        "/portal/tenants/apikey/add/",
        "/trestleboard/",
        "/portal/password-reset/",
    ):
        browser.open(base + path)
        wide = browser.run(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, path
