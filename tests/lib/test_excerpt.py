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
        ("x" * 2000, "x" * 2000),
        ("x" * 2001, "x" * 1999 + "\u2026"),
        ("\n" * 1500, r"\n" * 999 + "\\\u2026"),
    ],
)
def test_excerpt(text: str | bytes, wanted: str) -> None:
    assert excerpt(text) == wanted


@given(st.text(st.characters(), max_size=4000) | st.binary(max_size=4000))
def test_it_is_always_short_and_one_line(text: str | bytes) -> None:
    found = excerpt(text)
    assert len(found) <= MAX_CHARACTERS
    assert found.isprintable()


def test_secrets_are_struck_out_wherever_they_are() -> None:
    assert excerpt("key=canary&again=canary", secrets=("canary", "")) == "key=***&again=***"
    assert "canary" not in excerpt("x" * 1995 + "canary", secrets=("canary",))
    assert "canary" not in excerpt(b"\xffcanary", secrets=("canary",))
