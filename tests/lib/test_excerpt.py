"""Other people's text, made fit to be stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.excerpt import MAX_CHARACTERS, excerpt


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("Grüße, привет", "Grüße, привет"),
        ("a\r\nb\tc\x00", r"a\r\nb\tc\x00"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("right\u202eleft\u2028line\ud800", r"right\u202eleft\u2028line\ud800"),
        (b"caf\xc3\xa9 \xff\xfe", r"café \xff\xfe"),
        ("", ""),
        ("x" * 4096, "x" * 4096),
        ("x" * 4097, "x" * 4064 + "\u2026 [cut, 4,097 characters in all]"),
        ("\n" * 2049, r"\n" * 2032 + "\u2026 [cut, 2,049 characters in all]"),
        ("e\u0301" * 2049, "e\u0301" * 2032 + "\u2026 [cut, 4,098 characters in all]"),
        ("é".encode() * 4097, "é" * 4064 + "\u2026 [cut, 4,097 characters in all]"),
    ],
)
def test_excerpt(text: str | bytes, wanted: str) -> None:
    assert excerpt(text) == wanted


@given(
    st.text(st.characters(), max_size=4000) | st.binary(max_size=4000),
    st.integers(40, MAX_CHARACTERS),
)
def test_it_is_always_short_and_one_line(text: str | bytes, most: int) -> None:
    found = excerpt(text, most=most)
    assert len(found) <= most
    assert found.isprintable()


def test_a_short_one_has_no_room_for_how_long_it_was() -> None:
    assert excerpt("x" * 41, most=40) == "x" * 40
    assert excerpt("x" * 38 + "e\u0301\u0301", most=40) == "x" * 38
    assert excerpt("x" * 37 + "\n\n", most=40) == "x" * 37 + r"\n"
    assert excerpt("x" * 1_001, most=1_000).endswith("x\u2026 [cut, 1,001 characters in all]")


def test_secrets_are_struck_out_wherever_they_are() -> None:
    assert excerpt("key=canary&again=canary", secrets=("canary", "")) == "key=***&again=***"
    assert "canary" not in excerpt("x" * 1995 + "canary", secrets=("canary",))
    assert "canary" not in excerpt(b"\xffcanary", secrets=("canary",))
