"""What is done to a version's parts once, when it is published."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from notifications.renderer.wire import PARTIAL
from notifications.rendering.pool import check
from notifications.rendering.process import ENVIRONMENT, ROOT
from notifications.rendering.source import LIMIT, TOO_SLOW, Flaw, Source, Unavailable

LAYOUT = "layout"
_COMMAND = [sys.executable, "-s", "-X", "utf8", "-m", "notifications.renderer.press"]
_SECONDS = 6.0
_PATIENCE_SECONDS = 5.0
_CONTENT = re.compile(r"\{\{-?\s*content\s*-?\}\}")
_HTML = frozenset({"html", "mjml"})
# One at a time in this process: publishing is rare, and takes memory.
_press = [threading.Lock()]


def _forget() -> None:
    """In a child after a fork: whoever had it is not here."""
    _press[0] = threading.Lock()


os.register_at_fork(after_in_child=_forget)


def work(
    parts: Mapping[str, str], partials: Mapping[str, str] | None = None, *, owner: str = ""
) -> dict[str, str] | list[Flaw]:
    """One locale's final parts, or what is wrong with them.

    `mjml` becomes `html`; styles are inlined; `text` is made from them where it is absent. The
    partial `layout` goes around the HTML part, in the place of its `{{ content }}`: around MJML if
    it is MJML itself, else around HTML. The final parts need the other partials still.

    Raises:
        Unavailable: nothing was free in time.
    """
    partials = partials or {}
    if parts.keys() >= _HTML:
        return [Flaw("mjml", None, None, "template_syntax", "there is HTML and MJML")]
    flaws = check(Source(parts, partials, _HTML), owner=owner)
    if flaws or not _HTML & parts.keys():
        return flaws or dict(parts)
    around = _Around(parts, partials)
    if around.flaw:
        return [around.flaw]
    answer = _pressed(around.parts)
    if "parts" not in answer:
        return [around.placed(answer)]
    made: dict[str, str] = answer["parts"]
    flaws = check(Source(made, partials, frozenset({"html"})), owner=owner)
    return flaws or made


class _Around:
    """The parts with the layout around one of them."""

    def __init__(self, parts: Mapping[str, str], partials: Mapping[str, str]) -> None:
        self.flaw: Flaw | None = None
        self.parts = dict(parts)
        self._part = "mjml" if "mjml" in parts else "html"
        self._first, self._last = 1, sys.maxsize
        layout = partials.get(LAYOUT)
        if layout is None or ("<mjml" in layout.lower()) != (self._part == "mjml"):
            return
        found = _CONTENT.search(layout)
        if not found:
            self.flaw = Flaw(
                PARTIAL + LAYOUT, None, None, "template_syntax", "it has no {{ content }}"
            )
            return
        inner = parts[self._part]
        self.parts[self._part] = layout[: found.start()] + inner + layout[found.end() :]
        self._first = layout.count("\n", 0, found.start()) + 1
        self._last = self._first + inner.count("\n")

    def placed(self, answer: dict[str, Any]) -> Flaw:
        """What was found wrong, where its author wrote it."""
        line = answer["line"]
        part = self._part
        if line is not None and self._first <= line <= self._last:
            line -= self._first - 1
        elif line is not None:
            part = PARTIAL + LAYOUT
            line -= max(self._last - self._first, 0) if line > self._last else 0
        return Flaw(part, line, None, answer["code"], answer["detail"])


def _pressed(parts: dict[str, str]) -> dict[str, Any]:
    mine = _press[0]
    if not mine.acquire(timeout=_PATIENCE_SECONDS):
        raise Unavailable
    try:
        done = subprocess.run(  # noqa: S603
            _COMMAND, input=json.dumps(parts).encode(), stdout=subprocess.PIPE, cwd=ROOT,
            env=ENVIRONMENT, start_new_session=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"line": None, "code": TOO_SLOW, "detail": "it takes too long"}
    finally:
        mine.release()
    if done.returncode:
        return {"line": None, "code": LIMIT, "detail": "it is too large, too deep or too slow"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
