"""`docs/herald.md` tells the truth: its examples are run in their order and answered as it says.

An example is a block of `http`: the request (method and path, headers, body), an empty line, and the
answer (status, body). After each of them what is due is delivered, to a simulator; while a request
waits (`Prefer`), too.

- All fields of an answer must be there, and no others. Where the block ends with a line `...`, its
  objects may have more fields than are shown; what is shown must be equal all the same, and lists
  are as long as shown.
- `ntf_...` is an id: the one that first stood in its place, wherever it comes again. Another of the
  same kind has a word before the dots: `ntf_sms...`.
- A moment stands for any moment. Dots in any other text of an answer stand for some text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections
from django.urls import Resolver404, resolve

from delivery.deliver import Delivery
from delivery.simulator.server import Simulator
from hiram.management.pages import DOCS
from notifications.catalog.seeds import seed
from tenants.models import Provider
from tests.factories import TenantFactory
from tests.notifications.calls import Api, Said, api

DOCUMENT = (DOCS / "herald.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```http\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADER = re.compile(r"([A-Z][A-Za-z-]+): (.+)")
ID = re.compile(r"\b(?P<kind>[a-z]{3})_[a-z]*\.\.\.")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
OPERATION = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^`\s?]+)")
HERALDS = (
    "/send", "/notify", "/messages", "/inbox", "/preferences", "/providers", "/templates", "/config",
)  # fmt: skip


@dataclass(frozen=True)
class Example:
    """A request, and what the document says that it is answered."""

    line: int
    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int
    answer: Any
    is_partial: bool


def examples(document: str) -> list[Example]:
    """Those of a document, in their order."""
    return [
        _example(found["text"], document.count("\n", 0, found.start()) + 1)
        for found in BLOCK.finditer(document)
    ]


def _example(text: str, line: int) -> Example:
    asked, said = text.rstrip("\n").split("\n\n")
    (method, path), rest = asked.split("\n")[0].split(" "), asked.split("\n")[1:]
    headers = {}
    while rest and (header := HEADER.fullmatch(rest[0])):
        headers[header[1].replace("-", "_")] = header[2]
        del rest[0]
    status, *shown = said.split("\n")
    is_partial = shown[-1:] == ["..."]
    whole = "\n".join(shown[:-1] if is_partial else shown)
    answer = json.loads(whole) if whole else None
    return Example(line, method, path, headers, "\n".join(rest), int(status), answer, is_partial)


class Comparison:
    """Compares answers with what is shown of them, and knows the ids of those before."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def filled(self, text: str) -> str:
        """A request's path or body with the ids that its placeholders stand for."""
        return ID.sub(lambda found: self.known.get(found[0], found[0]), text)

    def lies(self, shown: Any, real: Any, *, is_partial: bool, at: str = "") -> Iterator[str]:
        """Where the one is not as the other."""
        if isinstance(shown, dict) and isinstance(real, dict):
            yield from self._in_object(shown, real, is_partial=is_partial, at=at)
        elif isinstance(shown, list) and isinstance(real, list) and len(shown) == len(real):
            for place, pair in enumerate(zip(shown, real, strict=True)):
                yield from self.lies(*pair, is_partial=is_partial, at=f"{at}/{place}")
        elif not (type(shown) is type(real) and self._is(shown, real)):
            yield f"{at} is not {shown!r}: {real!r}"

    def _in_object(
        self, shown: dict[str, Any], real: dict[str, Any], *, is_partial: bool, at: str
    ) -> Iterator[str]:
        for name in sorted(shown.keys() | real.keys()):
            here = f"{at}/{name}"
            if name not in real:
                yield f"{here} is not there"
            elif name in shown:
                yield from self.lies(shown[name], real[name], is_partial=is_partial, at=here)
            elif not is_partial:
                yield f"{here} is not shown: {real[name]!r}"

    def _is(self, shown: Any, real: Any) -> bool:
        if not isinstance(shown, str):
            return bool(shown == real)
        if MOMENT.fullmatch(shown):
            return bool(MOMENT.fullmatch(real))
        if found := ID.fullmatch(shown):
            return self._is_id(shown, found["kind"], real)
        pattern = ".+".join(re.escape(part) for part in shown.split("..."))
        return bool(re.fullmatch(pattern, real, re.DOTALL))

    def _is_id(self, name: str, kind: str, real: str) -> bool:
        if name not in self.known and real not in self.known.values():
            if not re.fullmatch(rf"{kind}_[0-9A-HJKMNP-TV-Z]{{26}}", real):
                return False
            self.known[name] = real
        return self.known.get(name) == real


@pytest.fixture
def world(transactional_db: None) -> Iterator[tuple[Api, Callable[[], int]]]:
    """A new tenant with the system texts, as every one is made, and its deliveries."""
    tenant = TenantFactory.create(name="My App")
    seed(tenant.pk)
    with Simulator() as simulator:
        slots = Delivery(2)

        def deliver() -> int:
            """What is due now, to the simulator whatever the providers' servers are, without login."""
            near = {"host": "127.0.0.1", "port": simulator.smtp_port, "security": "none"}
            for row in Provider.objects.filter(driver="smtp"):
                row.settings = row.settings | near
                row.settings.pop("username", None)
                row.save(update_fields=["settings"])
            return slots.run(seconds=30)

        yield api(tenant), deliver


def test_every_example_is_answered_as_it_says(world: tuple[Api, Callable[[], int]]) -> None:
    live, deliver = world
    comparison = Comparison()
    found = [
        f"line {one.line}: {lie}"
        for one in examples(DOCUMENT)
        for lie in run(one, live, deliver, comparison)
    ]
    assert not found, "\n".join(found)


def run(
    one: Example, live: Api, deliver: Callable[[], int], comparison: Comparison
) -> Iterator[str]:
    path, body = comparison.filled(one.path), comparison.filled(one.body).encode()

    def ask() -> Said:
        return live.ask(one.method, path, body, **one.headers)

    said = _beside(ask, deliver) if "Prefer" in one.headers else ask()
    deliver()
    if said.status != one.status:
        yield f"{said.status}: {said.body}"
        return
    yield from comparison.lies(one.answer, said.body, is_partial=one.is_partial)


def _beside(ask: Callable[[], Said], deliver: Callable[[], int]) -> Said:
    """The answer, of which the deliveries are made while it is waited for."""

    def apart() -> Said:
        try:
            return ask()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        said: Future[Said] = pool.submit(apart)
        while not wait([said], timeout=0.05).done:
            deliver()
        return said.result()


class TestTheExamples:
    def test_each_of_heralds_has_a_section_with_one(self) -> None:
        sections = dict(
            re.findall(r"^## `(/\w+)`$(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
        )
        assert sorted(sections) == sorted(HERALDS)
        for name, text in sections.items():
            assert BLOCK.search(text), name

    def test_every_operation_that_is_named_is_there(self) -> None:
        named = OPERATION.findall(DOCUMENT)
        assert len(named) > 20
        for method, path in named:
            try:
                view: Any = resolve(path).func
            except Resolver404:
                pytest.fail(f"{method} {path}")
            assert hasattr(view.view_class, method.lower()), (method, path)


LATER = "2026-02-01T00:00:00.000000Z"
NTF, OTHER = "ntf_01M7XP1ZY3EWP98F6VYACF4G14", "ntf_01M7XPVS3MEJ8V36AJKWHG10T2"


class TestWhatIsALie:
    @pytest.mark.parametrize(
        ("shown", "real", "is_partial", "lies"),
        [
            ({"a": 1}, {"a": 1}, False, []),
            ({"a": 1}, {"a": 2}, False, ["/a is not 1: 2"]),
            ({"a": 1}, {"a": True}, False, ["/a is not 1: True"]),
            ({"a": None}, {}, True, ["/a is not there"]),
            ({}, {"a": 1}, False, ["/a is not shown: 1"]),
            ({}, {"a": 1}, True, []),
            ({"a": [{}]}, {"a": [{"b": 1}]}, True, []),
            ({"a": [{}]}, {"a": [{"b": 1}]}, False, ["/a/0/b is not shown: 1"]),
            ({"a": []}, {"a": [1]}, True, ["/a is not []: [1]"]),
            ({"a": {}}, {"a": None}, True, ["/a is not {}: None"]),
            ("2026-01-31T12:00:00.000000Z", LATER, False, []),
            ("2026-01-31T12:00:00.000000Z", "", False, [
                " is not '2026-01-31T12:00:00.000000Z': ''"
            ]),
            ("2026-01-31T12:00:00.000000Z", None, False, [
                " is not '2026-01-31T12:00:00.000000Z': None"
            ]),
            ("a...c", "abc", False, []),
            ("a...c", "ab", False, [" is not 'a...c': 'ab'"]),
            ("a.c", "abc", False, [" is not 'a.c': 'abc'"]),
            (["ntf_..."], [NTF], False, []),
            (["ntf_..."], ["req" + NTF[3:]], False, [f"/0 is not 'ntf_...': 'req{NTF[3:]}'"]),
            (["ntf_...", "ntf_..."], [NTF, NTF], False, []),
            (["ntf_...", "ntf_..."], [NTF, OTHER], False, [f"/1 is not 'ntf_...': '{OTHER}'"]),
            (["ntf_...", "ntf_b..."], [NTF, OTHER], False, []),
            (["ntf_...", "ntf_b..."], [NTF, NTF], False, [f"/1 is not 'ntf_b...': '{NTF}'"]),
        ],
    )  # fmt: skip
    def test_what_is_shown_must_be_so(
        self, shown: Any, real: Any, is_partial: bool, lies: list[str]
    ) -> None:
        assert list(Comparison().lies(shown, real, is_partial=is_partial)) == lies

    def test_an_example_is_read_to_the_letter(self) -> None:
        text = '\n```http\nPOST /v1/a\nPrefer: wait=1\n{"b":\n 1}\n\n202\n{"c": 2}\n...\n```\n'
        assert examples(text) == [
            Example(2, "POST", "/v1/a", {"Prefer": "wait=1"}, '{"b":\n 1}', 202, {"c": 2}, True)
        ]
