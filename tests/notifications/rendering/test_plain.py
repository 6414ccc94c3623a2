"""What is plain is written as Liquid would write it, and whatever else there is goes to Liquid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.rendering import Flaw, Pool, Source, pool
from notifications.rendering.plain import LONGEST, MOST, texts

DATA: dict[str, Any] = {
    "a": "Ana", "b": "<b>&\"'</b>", "e": "", "n": 3, "f": 1.5, "t": True, "x": None, "l": ["q"],
    "size": "large", "first": "1st", "now": "then", "empty": "full", "nil": "something",
    "o": {"a": "inner", "size": "L", "n": 1, "p": {"q": "deep"}, "if": "not"}, "é": "accent",
    "cr": "\r", "lf": "\n", "crlf": "\r\n", "control": "a\r\nBcc: x\x85y\u2028z", "astral": "\U0001f600", "a-b": "dash",
}  # fmt: skip
PIECES = (
    "{{ a }}", "{{a}}", "{{\n b\t}}", "{{ e }}", "{{ n }}", "{{ f }}", "{{ t }}", "{{ x }}",
    "{{ l }}", "{{ l.size }}", "{{ l.first }}", "{{ size }}", "{{ first }}", "{{ now }}",
    "{{ today }}", "{{ empty }}", "{{ nil }}", "{{ true }}", "{{ o.a }}", "{{ o.size }}",
    "{{ o.first }}", "{{ o.p.q }}", "{{ o.n }}", "{{ o }}", "{{ o.none }}", "{{ none }}",
    "{{ o.if }}", "{{ if }}", "{{ a.size }}", "{{ a.b }}", "{{ é }}", "{{ control }}",
    "{{ astral }}", "{{ a-b }}", "{{ a? }}", "{{ a | upcase }}", "{{ 'a' }}", "{{ a b }}", "{{ }}",
    "{{- a }}", "{{ a -}}", "{{{ a }}}", "{ {{ a }} }", "{{ a }}}", "{{ {{ a }}", "{{ a }", "{{",
    "}}", "%}", "{", "}", "{%", "{% raw %}", "{% endraw %}", "{# a #}", "{% if a %}", "{% endif %}",
    "{% assign a = 'q' %}", "{{ a\x0b}}", "{{\u00a0a }}", "{{ a.\na }}", "{{ a . b }}", "{{ a['b'] }}",
    "{{ cr }}", "{{ lf }}", "{{ crlf }}", " ", "\n", "\r", "\r\n", "\x00", "text", "<p>&amp;</p>", "@media{.a{color:red}}", "\U0001f600",
)  # fmt: skip


@pytest.fixture(scope="module")
def liquid() -> Iterator[Pool]:
    made = Pool(1)
    yield made
    made.close()


def is_plain(piece: str) -> bool:
    plain = Source({"text": f"a{piece}b"}).plain
    return plain is not None and texts(plain, DATA) is not None


PLAIN = [piece for piece in PIECES if is_plain(piece)]
plain_sources = st.lists(st.sampled_from(PLAIN), max_size=9).map("".join)
any_sources = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(subject=plain_sources, html=plain_sources, text=plain_sources | any_sources)
def test_it_is_what_liquid_writes(liquid: Pool, subject: str, html: str, text: str) -> None:
    source = Source({"subject": subject, "html": html, "text": text}, escaped=frozenset({"html"}))
    made = source.plain and texts(source.plain, DATA)
    if made:
        assert [made] == liquid.render(source, [DATA])


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_each_piece_between_two_texts(liquid: Pool, piece: str) -> None:
    source = Source({"html": f"<{piece}>", "text": f"a{piece}b"}, escaped=frozenset({"html"}))
    assert (piece in PLAIN) == bool(source.plain and texts(source.plain, DATA))
    made = source.plain and texts(source.plain, DATA)
    if made:
        assert [made] == liquid.render(source, [DATA])


def test_these_are_plain() -> None:
    source = Source(
        {
            "subject": "For {{ a }}",
            "html": "{{b}} @media{.a{}}",
            "text": "{{ o.p.q }}{{ control }}",
        },
        escaped=frozenset({"html"}),
    )
    assert source.plain is not None
    assert texts(source.plain, DATA) == {
        "subject": "For Ana",
        "html": "&lt;b&gt;&amp;&#34;&#39;&lt;/b&gt; @media{.a{}}",
        "text": "deepa\nBcc: x\x85y\u2028z",
    }


@pytest.mark.parametrize("piece", [
    "{{ a | upcase }}", "{{- a }}", "{{ a -}}", "{{{ a }}}", "{{", "{%", "{% if a %}", "{{ true }}",
    "{{ o.if }}", "{{ a-b }}", "{{ é }}", "{{ a['b'] }}", "x" * (LONGEST + 1), "{{a}}" * (MOST + 1),
    "{{ a" + ".a" * LONGEST + " }}",
], ids=lambda piece: piece[:20])  # fmt: skip
def test_these_are_not(piece: str) -> None:
    assert Source({"subject": "{{ a }}", "text": piece}).plain is None


@pytest.mark.parametrize("data", [
    {}, {"v": None}, {"v": 1}, {"v": True}, {"v": ["a"]}, {"v": {"w": "a"}}, {"v": "\0"},
    {"v": "\ud800"}, {"v": "x" * (LONGEST + 1)},
], ids=lambda data: repr(data)[:20])  # fmt: skip
def test_these_data_are_for_liquid(data: dict[str, Any]) -> None:
    source = Source({"text": "{{ v }}"})
    assert source.plain is not None
    assert texts(source.plain, data) is None


def test_a_long_value_many_times_is_not_put_together() -> None:
    """A thousand times 64 KiB would be 64 MiB of this process."""
    source = Source({"html": "{{ v }}" * MOST}, escaped=frozenset({"html"}))
    assert source.plain is not None
    assert texts(source.plain, {"v": "<" * (LONGEST // MOST + 1)}) is None
    made = texts(source.plain, {"v": "<" * (LONGEST // MOST)})
    assert made == {"html": "&lt;" * (LONGEST // MOST) * MOST}


def test_those_that_are_not_go_to_liquid_and_all_stay_in_their_order() -> None:
    source = Source({"text": "{{ v }}"})
    data: list[dict[str, Any]] = [{"v": "a"}, {"v": 1}, {}, {"v": "b"}, {"v": [2, 3]}]
    made = pool.render(source, data)
    assert made == [
        {"text": "a"}, {"text": "1"}, Flaw("text", 1, 4, "undefined_variable", "v"), {"text": "b"},
        {"text": "23"},
    ]  # fmt: skip


def test_what_is_plain_needs_no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_ours", Pool(0, patience_seconds=0))
    assert pool.render(Source({"text": "{{ v }}"}), [{"v": "a"}]) == [{"text": "a"}]


def test_braces_without_end_are_read_once() -> None:
    for source in ("{{" * 30_000, "{{ a" * 15_000, "{{" + " " * 60_000, "{{" + "a." * 30_000):
        assert Source({"text": source}).plain is None
