"""Random and hostile templates: none runs over a second, none over 64 MiB, none leaks.

`HIRAM_HOSTILE_TEMPLATES=10000` renders so many instead of a few hundred.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from notifications.renderer.wire import LARGEST_ANSWER, MEMORY_OCTETS, OUTPUT_OCTETS
from notifications.rendering import Flaw, Source
from notifications.rendering.plain import texts
from notifications.rendering.process import Clock, Renderer
from tests.notifications.rendering.hostile import template

HOW_MANY = int(os.environ.get("HIRAM_HOSTILE_TEMPLATES", "250"))
# What is this process's, Python's, the machine's, or another template's data.
LEAKS = re.compile(
    r"HIRAM_|root:x:|object at 0x|<class|<function|<bound|Traceback|site-packages|/proc/|\.py\b"
)
PARTIALS = {"p": "{{ s }}{% if n %}{% include 'q' %}{% endif %}", "q": "<i>{{ l }}</i>"}


class Watched:
    """A renderer, measured; replaced when it is spent."""

    def __init__(self) -> None:
        self.renderer = self._started()
        self.slowest = 0.0
        self.largest = 0
        self.started = 1

    def render(self, source: Source, data: object) -> dict[str, str] | Flaw:
        """One data set, and what it took."""
        if self.renderer.is_spent:
            self.renderer.end()
            self.renderer = self._started()
            self.started += 1
        texts = [json.dumps(data).encode()]
        began = time.monotonic()
        (made,) = self.renderer.render(source, texts, Clock(1.0, began + 1, LARGEST_ANSWER))
        self.slowest = max(self.slowest, time.monotonic() - began)
        if not self.renderer.has_ended():
            self.largest = max(self.largest, self._octets("VmPeak") - self._idle)
        return made

    def _started(self) -> Renderer:
        renderer = self.renderer = Renderer()
        renderer.await_ready(10)
        self._idle = self._octets("VmSize")
        return renderer

    def _octets(self, name: str) -> int:
        status = Path(f"/proc/{self.renderer.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        return int(found[1]) * 1024 if found else 0


@pytest.fixture
def watched() -> Iterator[Watched]:
    """One renderer after the other."""
    made = Watched()
    yield made
    made.renderer.end()


def test_none_runs_away_and_none_leaks(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # For those that are started from here on, should they inherit anything.
    monkeypatch.setenv("HIRAM_CANARY", "HIRAM_secret")
    codes, earlier = Counter[str](), set[str]()
    for number in range(HOW_MANY):
        text = template(number)
        canary = hashlib.sha256(text.encode()).hexdigest()[:24]
        data = {"s": f"{canary}<a>", "n": 7, "l": ["x", {"k": 1}, 3], "d": {"k": canary}}
        source = Source({"subject": text, "html": text}, {**PARTIALS, "self": text},
                        frozenset({"html"}))  # fmt: skip
        made = watched.render(source, data)
        assert (source.plain and texts(source.plain, data)) in (None, made), number
        codes[made.code if isinstance(made, Flaw) else "rendered"] += 1
        told = made.detail if isinstance(made, Flaw) else "".join(made.values())
        assert not LEAKS.search(told), (number, told)
        assert not earlier & set(re.findall(r"[0-9a-f]{24}", told)) - {canary}, number
        earlier.add(canary)
        if isinstance(made, dict):
            assert "\n" not in made["subject"]
            assert all(len(part.encode()) <= OUTPUT_OCTETS for part in made.values())
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{HOW_MANY} templates: slowest {watched.slowest:.3f} s, largest"
            f" {watched.largest / 1024 / 1024:.1f} MiB above idle,"
            f" {watched.started} renderers, {dict(codes)}"
        )
    assert watched.slowest < 1.25, "0.95 by the renderer's own clock, and what the machine adds"
    assert watched.largest <= MEMORY_OCTETS
    assert codes["rendered"] > HOW_MANY / 10
