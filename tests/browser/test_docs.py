"""The API's document in a real browser, under its policy."""

from __future__ import annotations

import json

import pytest
from pytest_django.live_server_helper import LiveServer

from hiram.openapi import document
from tests.browser.webdriver import Browser


def test_every_operation_is_shown_and_nothing_is_refused(
    browser: Browser, live_server: LiveServer
) -> None:
    browser.open(f"{live_server.url}/docs/")
    browser.find(".opblock")
    paths = json.loads(document())["paths"].values()
    assert len(browser.all(".opblock")) == sum(len(path) for path in paths)
    assert "Hiram" in browser.text("h1, h2.title")
    browser.click("#operations-notifications-sendNotification .opblock-summary-control")
    browser.find("#operations-notifications-sendNotification .opblock-body")
    assert browser.console() == []
    loaded = browser.run(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert len(loaded) >= 4
    assert [name for name in loaded if not name.startswith(live_server.url)] == []
    assert browser.run("return localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize("path", ["/problems/", "/problems/invalid"])
def test_problem_pages_are_whole_under_their_policy(
    browser: Browser, live_server: LiveServer, path: str
) -> None:
    browser.open(f"{live_server.url}{path}")
    assert browser.text("h1")
    assert browser.console() == []
