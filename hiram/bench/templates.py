"""Templates: what accepting costs when a template writes the text, beside that text as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from hiram.bench.measures import EMPTY, Measure, Tenancy, ask, at_least, in_turn, load
from hiram.bench.stage import Stage

CONNECTIONS = 16
ROUNDS, ROUND_SECONDS = 5, 2
WARM_UP_SECONDS = 1
LARGE_CHARACTERS, LARGE_VARIABLES = 30_000, 50
LARGE_ROUNDS, LARGE_WARM_UP = 300, 30
MOST_MILLISECONDS = 1.5

SHORT = {
    "subject": "Order {{ number }} confirmed",
    "text": "Hello {{ customer }},\n\nyour order {{ number }} of {{ day }} is confirmed."
    " We have charged {{ total }}.\n" + "x" * 400,
}
SHORT_DATA = {"customer": "Ana", "number": "2026-1047", "day": "3 March", "total": "EUR 19.90"}

_ROW = (
    '<tr><td align="left" valign="top" style="{style}">'
    '<a href="https://shop.example/items/{n}" style="color: #0055cc">Item {n}</a>:'
    " {{{{ v{n} }}}}</td></tr>\n"
)
_CHARACTERS = LARGE_CHARACTERS // LARGE_VARIABLES - len(_ROW.format(n=10, style=""))
_STYLE = ("padding: 12px 16px; color: #333333; font-size: 14px; " * 20)[:_CHARACTERS]
LARGE = {
    "subject": "All of it",
    "html": "".join(_ROW.format(n=n, style=_STYLE) for n in range(LARGE_VARIABLES)),
}
"""Mostly layout, as most are; its text is derived from it."""


def templating(stage: Stage, who: Tenancy) -> Iterator[Measure]:
    """Accepts with a template, workers stopped: their rate, and the time of one with 30 kB."""
    stage.sql(EMPTY)
    with stage.running("web"):
        yield _rate(stage, who)
        yield _large(stage, who)


def publish(
    stage: Stage, who: Tenancy, slug: str, parts: Mapping[str, str], data: Mapping[str, str]
) -> dict[str, str]:
    """Publish a template by e-mail that needs all of these data; the text that it makes of them."""
    variables = {
        "type": "object",
        "required": list(data),
        "properties": {name: {"type": "string"} for name in data},
    }
    body = {
        "slug": slug, "channel": "email", "name": slug, "category": "transactional",
        "default_locale": "en", "variables": variables, "locales": {"en": parts},
    }  # fmt: skip
    path = f"/v1/templates/{ask(stage, who, '/v1/templates', body, 201)['id']}"
    ask(stage, who, f"{path}/publish", {"version": 1}, 200)
    made = ask(stage, who, f"{path}/preview", {"version": 1, "data": data}, 200)
    fields = {"subject": made["subject"], "html": made["html"], "body": made["text"]}
    return {name: text for name, text in fields.items() if text}


def _pair(
    stage: Stage, who: Tenancy, slug: str, parts: Mapping[str, str], data: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two requests of the same mail: its text as it is, and by a template."""
    to = {"channel": "email", "recipient": "ops@tenant.example"}
    text = publish(stage, who, slug, parts, data)
    return to | text, to | {"template": slug, "data": data}


def _rate(stage: Stage, who: Tenancy) -> Measure:
    plain, written = _pair(stage, who, "bench.short", SHORT, SHORT_DATA)

    def flood(body: Any, seconds: int) -> tuple[float, float]:
        asked = {"connections": CONNECTIONS, "seconds": seconds}
        told = load(stage, who, "/v1/notifications", body, **asked)
        return told["requests"], told["requests"] / told["per_second"]

    bodies = {"plain": plain, "written": written}
    for body in bodies.values():
        flood(body, WARM_UP_SECONDS)
    rates = in_turn(
        ROUNDS, {name: partial(flood, body, ROUND_SECONDS) for name, body in bodies.items()}
    )
    return at_least(
        "accept with a template", rates["written"], "/s",
        ("the same text as it is", rates["plain"]), 0.7,
    )  # fmt: skip


def _large(stage: Stage, who: Tenancy) -> Measure:
    """Milliseconds that a request by a large template takes more, one client, in turn."""
    data = {f"v{n}": f"Blue & white, size {n}" for n in range(LARGE_VARIABLES)}
    bodies = _pair(stage, who, "bench.large", LARGE, data)
    asked = {"url": stage.url, "key": who.key, "path": "/v1/notifications", "bodies": bodies}
    stage.measure("load", asked | {"rounds": LARGE_WARM_UP})
    plain, written = stage.measure("load", asked | {"rounds": LARGE_ROUNDS})
    return Measure(
        "30 kB, 50 variables: template costs", written - plain, "ms", "the same text as it is",
        plain, written / plain, MOST_MILLISECONDS, written - plain <= MOST_MILLISECONDS,
    )  # fmt: skip
