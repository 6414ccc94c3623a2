"""A browser for tests: Debian's chromium, driven over WebDriver (w3.org/TR/webdriver2), plain HTTP."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import requests

DEADLINE_SECONDS = 30
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip


def require() -> tuple[str, str]:
    """The browser and its driver; without them a skip, or in CI a failure."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium and driver:
        return chromium, driver
    reason = "chromium and chromedriver are not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Browser:
    """One browser with a profile of its own, gone at the end."""

    def __init__(self, width: int = 1280, height: int = 900) -> None:
        chromium, driver = require()
        self._folder = tempfile.TemporaryDirectory(prefix="hiram-browser-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._driver = subprocess.Popen(
            [driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._http = requests.Session()
        self._http.trust_env = False
        self._root = f"http://127.0.0.1:{port}"
        self._session = ""
        try:
            self._wait_for_driver()
            self._start(chromium, f"--window-size={width},{height}")
        except BaseException:
            self.close()
            raise

    def _wait_for_driver(self) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                self._http.get(f"{self._root}/status", timeout=5)
            except requests.ConnectionError:
                if time.monotonic() > end:
                    raise
            else:
                return

    def _start(self, chromium: str, size: str) -> None:
        flags = [*_FLAGS, size, f"--user-data-dir={self._folder.name}"]
        options = {"binary": chromium, "args": flags}
        logging = {"goog:loggingPrefs": {"browser": "ALL"}}
        wanted = {"alwaysMatch": {"goog:chromeOptions": options, **logging}}
        self._session = self._call("POST", "/session", {"capabilities": wanted})["sessionId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End browser and driver, by the driver's own handle."""
        try:
            if self._session:
                self._http.delete(f"{self._root}/session/{self._session}", timeout=10)
        finally:
            self._driver.terminate()
            self._driver.wait(10)
            self._folder.cleanup()

    def open(self, url: str) -> None:
        """Go to an address; returns when the page has loaded."""
        self._ask("POST", "/url", {"url": url})

    def back(self) -> None:
        """The page before, as by the browser's button."""
        self._ask("POST", "/back", {})

    @property
    def address(self) -> str:
        """Where the browser is."""
        return str(self._ask("GET", "/url"))

    def find(self, css: str) -> str:
        """The first element, waited for."""
        end = time.monotonic() + DEADLINE_SECONDS
        while not (found := self.all(css)):
            assert time.monotonic() < end, f"no {css} at {self.address}"
        return found[0]

    def all(self, css: str) -> list[str]:
        """Every element there is now."""
        asked = {"using": "css selector", "value": css}
        return [element[_ELEMENT] for element in self._ask("POST", "/elements", asked)]

    def type(self, css: str, text: str) -> None:
        """Type into a field."""
        self._ask("POST", f"/element/{self.find(css)}/value", {"text": text})

    def click(self, css: str) -> None:
        """Click, as a person would: what covers the element gets the click."""
        self._ask("POST", f"/element/{self.find(css)}/click", {})

    def text(self, css: str) -> str:
        """What is to be read in an element."""
        return str(self._ask("GET", f"/element/{self.find(css)}/text"))

    @property
    def source(self) -> str:
        """The page as it is now."""
        return str(self._ask("GET", "/source"))

    def run(self, script: str) -> Any:
        """The value of a script's `return`."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def until(self, script: str, wanted: Any = True) -> None:
        """Wait for the value of a script's `return`."""
        end = time.monotonic() + DEADLINE_SECONDS
        while (found := self.run(script)) != wanted:
            assert time.monotonic() < end, f"{script}: {found!r}"

    def without(self, *addresses: str) -> None:
        """Load nothing from these addresses, in which * is anything."""
        self._cdp("Network.enable", {})
        self._cdp("Network.setBlockedURLs", {"urls": addresses})

    def console(self) -> list[str]:
        """What the console said since it was last asked: errors, refused content."""
        return [line["message"] for line in self._ask("POST", "/se/log", {"type": "browser"})]

    def resize(self, width: int, height: int) -> None:
        """Another window size; below 500 pixels by emulation, as a phone."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._cdp("Emulation.setDeviceMetricsOverride", metrics)

    def screenshot(self, path: Path) -> None:
        """A picture of what the window shows."""
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def _cdp(self, command: str, params: dict[str, Any]) -> None:
        self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._call(method, f"/session/{self._session}{path}", body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, f"{self._root}{path}", json=body, timeout=60)
        value = answer.json()["value"]
        if not answer.ok:
            raise AssertionError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value
