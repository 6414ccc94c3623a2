"""What another version says otherwise."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.catalog.diff import unified

LINES = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=8).map("\n".join)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("a\n", "a\n", ""),
        ("a\nb\n", "a\nc\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),
        ("", "x\n", "@@ -0,0 +1 @@\n+x\n"),
        ("x", "x\n", "@@ -1 +1 @@\n-x\n\\ No newline at end\n+x\n"),
    ],
)
def test_unified(old: str, new: str, told: str) -> None:
    assert unified(old, new) == told


@given(LINES, LINES)
def test_it_is_empty_only_for_the_same(old: str, new: str) -> None:
    told = unified(old, new)
    assert (told == "") == (old == new)
    assert told.count("\n+") - told.count("\n-") == len(_shown(new)) - len(_shown(old))


def _shown(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def test_its_work_is_bounded() -> None:
    """The comparison's worst case, which is cubic, would take minutes."""
    old = "\n".join(f"{n % 97}" for n in range(100_000))
    new = "\n".join(f"{n % 89}" for n in range(100_000))
    begun = time.process_time()
    told = unified(old, new)
    assert time.process_time() - begun < 5
    assert told.startswith("@@ -1,100000 +1,100000 @@\n")


def test_a_small_change_of_a_long_text_is_small() -> None:
    old = "\n".join(map(str, range(100_000)))
    assert len(unified(old, old.replace("\n50000\n", "\nx\n")).splitlines()) == 9
