"""Recipients' pages in a real browser, on a phone: unsubscribing, and choosing what one gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from notifications.accept import Owner
from notifications.links import PREFERENCES, UNSUBSCRIBE, link
from notifications.models import Subscriber
from notifications.preferences import change, wishes
from tenants.models import CategoryPolicy, Tenant
from tests.browser.webdriver import Browser
from tests.factories import email, make_user, to_user

EVIL = "<script>document.title='owned'</script>"


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as found:
        found.resize(360, 740)
        yield found


@pytest.fixture
def user(transactional_db: None, live_server: LiveServer, settings: Any) -> Subscriber:
    settings.PUBLIC_URL = live_server.url
    tenant = Tenant.objects.create(name=f"Ärzte & Söhne {EVIL} " + "x" * 120)
    found = make_user(
        tenant, locale="de-AT", addresses={"email": "ana@x.example", "sms": "+14155550100"}
    )
    change(Owner(tenant.pk, "live"), "u1", {"categories": {"marketing": {"email": True}}})
    return found


def fits(browser: Browser) -> bool:
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(browser.run(wide)) <= 0


def said(user: Subscriber) -> Any:
    return wishes(Owner(user.tenant_id, "live"), "u1").categories


def test_unsubscribing_and_then_choosing(
    browser: Browser, user: Subscriber, tmp_path: Path
) -> None:
    [row] = to_user(user.tenant, "u1", email(category="marketing"))
    CategoryPolicy.objects.create(tenant=user.tenant, category="transactional", required=True)
    browser.open(link(UNSUBSCRIBE, row.pk))
    assert browser.text("h1") == "Abmelden"
    assert "Angebote und Neuigkeiten" in browser.text("#text")
    assert fits(browser)
    assert said(user)["marketing"] == {"email": True}
    browser.screenshot(tmp_path / "ask.png")
    browser.click("button")
    assert browser.text("main:not(:has(form)) h1") == "Sie sind abgemeldet"
    assert said(user)["marketing"] == {"email": False}
    browser.click("main a")
    browser.find("fieldset")
    assert browser.address == link(PREFERENCES, user.pk)
    assert fits(browser)
    switches = (
        "return [...document.querySelectorAll('[role=switch]')].map(s => [s.value, s.checked])"
    )
    assert browser.run(switches) == [
        ["operational:email", True], ["operational:sms", True],
        ["marketing:email", False], ["marketing:sms", False],
    ]  # fmt: skip
    browser.click("input[role=switch][value='marketing:sms']")
    browser.click("input[role=switch][value='operational:sms']")
    browser.screenshot(tmp_path / "choose.png")
    browser.click("button")
    assert browser.text("[role=status]") == "Ihre Auswahl ist gespeichert."
    assert said(user) == {
        "marketing": {"email": False, "sms": True}, "operational": {"sms": False},
    }  # fmt: skip
    assert browser.run("return document.title") != "owned"
    assert browser.run("return document.cookie") == ""
    assert browser.console() == []


def test_fingers_hit_what_they_mean(browser: Browser, user: Subscriber) -> None:
    browser.open(link(PREFERENCES, user.pk))
    low = "return Math.min(...[...document.querySelectorAll('.choice, button')].map(e => e.offsetHeight))"
    assert int(browser.run(low)) >= 44
    assert fits(browser)
    loaded = "return performance.getEntriesByType('resource').map(r => new URL(r.name).origin)"
    assert set(browser.run(loaded)) <= {browser.run("return location.origin"), "null"}


def test_a_link_that_was_cut_off(browser: Browser, user: Subscriber) -> None:
    browser.open(link(PREFERENCES, user.pk)[:-3])
    assert browser.text("h1")
    assert fits(browser)
    assert browser.all("form") == []
