"""Cutting texts, and never inside of what a reader takes for one character."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hiram.lib.text import SHOWN_CHARACTERS, cut, decoded, head, marker

CHARACTERS = [
    "a", "Z", " ", "\n", "é", "ß", "Ж", "中", "\U0001f600", "\r\n",
    "e\u0301", "a\u0308\u0323", "n\u0303", "\u0928\u093f", "\u0e01\u0e33", "ｶ\uff9e",
    "\u0915\u094d\u0937", "\u1112\u1161\u11ab", "\ud55c", "\ud558\u11ab",
    "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001f1e9\U0001f1ea",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "\U0001f3f3\ufe0f\u200d\U0001f308", "\ud83d\ude00", "\u06dd1",
]  # fmt: skip
"""Each is one to its reader. Those of the last lines are emoji, a pair of surrogates among them."""

WORDS = st.lists(st.sampled_from(CHARACTERS), max_size=40)


@given(WORDS, st.integers(0, 60))
def test_what_is_left_are_whole_characters_as_many_as_fit(words: list[str], most: int) -> None:
    found = head("".join(words), most)
    assert len(found) <= most
    whole = ""
    for word in words:
        if len(whole + word) > most:
            break
        whole += word
    if whole or not words or most == 0:
        assert found == whole
    else:  # not even the first of them fits
        assert found == "".join(words)[:most]


@given(st.text(st.characters(), max_size=80), st.integers(0, 100))
@example("\u0301" * 80, 10)
@example("\U0001f1e9" * 79, 78)
def test_anything_is_cut_to_its_begin(text: str, most: int) -> None:
    found = head(text, most)
    assert len(found) <= most
    assert text.startswith(found)
    assert found == text or found or most == 0
    assert head(found, most) == found


def test_thousands_of_accents_do_not_take_it_all() -> None:
    tower = "a" + "\u0301" * 10_000
    assert head(tower, 4_096) == tower[:4_096]
    assert head("x" * 100 + tower, 150) == "x" * 100
    many_flags = "\U0001f1e9\U0001f1ea" * 3_000
    assert head(many_flags, 4_095) == many_flags[:4_094]


def test_a_short_text_is_itself_and_a_long_one_says_how_long_it_is() -> None:
    whole = "x" * SHOWN_CHARACTERS
    assert cut(whole) == whole
    assert cut(whole + "y") == whole + "\u2026 [cut, 4,097 characters in all]"
    assert cut("x" * 4_095 + "e\u0301") == "x" * 4_095 + marker(4_097)
    assert cut("é" * 5, 4) == "éééé" + marker(5)


@given(st.text(max_size=30), st.integers(0, 130))
def test_octets_are_cut_between_characters(text: str, most: int) -> None:
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        return
    found = decoded(octets, most)
    assert text.startswith(found)
    assert most - 4 < len(found.encode()) <= most or found == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", ""),
        ("é".encode()[:1], ""),
        (b"a\xe2\x82", "a"),
        (b"a\xf0\x9f\x98", "a"),
        (b"a\xff", "a\ufffd"),
        (b"\xe2\x28", "\ufffd("),
        (b"\x80\x80\x80\x80\x80", "\ufffd" * 5),
        (b"a\xc3\xa9", "aé"),
        (b"\xc3\xa9\xa9", "é\ufffd"),
    ],
)
def test_only_a_torn_end_is_left_out(octets: bytes, text: str) -> None:
    assert decoded(octets) == text
