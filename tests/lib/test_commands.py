"""The parts that commands are made of."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.commands import Command, CommandError, pairs, table
from hiram.lib.problems import FieldError, Problem
from hiram.lib.vault import BadKey


class Told(Command):
    """Does what it is told."""

    def work(self, *, what: Any, **options: Any) -> dict[str, Any]:
        if isinstance(what, Exception):
            raise what
        self.failed = what is None
        return {"name": what, "list": [1, "b"], "none": None}


def run(what: Any, *, as_json: bool = False) -> str:
    out = io.StringIO()
    Told(stdout=out).handle(what=what, json=as_json)
    return out.getvalue()


def test_facts_are_shown_to_people_or_as_json() -> None:
    assert run("x") == "name: x\nlist: 1, b\nnone: -\n"
    assert json.loads(run("\u00e4\x1b", as_json=True)) == {
        "name": "\u00e4\x1b",
        "list": [1, "b"],
        "none": None,
    }


def test_what_failed_is_printed_and_ends_with_status_1() -> None:
    out = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        Told(stdout=out).handle(what=None, json=True)
    assert caught.value.code == 1
    assert json.loads(out.getvalue())["name"] is None


def test_problems_are_one_line() -> None:
    errors = [FieldError("/settings/host", "required", "Needed."), FieldError("/name", "x", "No.")]
    for problem, said in (
        (Problem("invalid", errors=errors), "settings/host: Needed. name: No."),
        (Problem("conflict", "Taken."), "Taken."),
        (BadKey("short"), "HIRAM_ENCRYPTION_KEYS: short"),
    ):
        with pytest.raises(CommandError) as caught:
            run(problem)
        assert str(caught.value) == said


def test_a_defect_stays_a_defect() -> None:
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError())


@given(words=st.dictionaries(st.text(min_size=1).filter(lambda t: "=" not in t), st.text()))
def test_pairs_are_read(words: dict[str, str]) -> None:
    assert pairs([f"{name}={value}" for name, value in words.items()], "--set") == words


@pytest.mark.parametrize("words", [["a"], ["=b"], [""], ["a=1", "a=2"]])
def test_other_pairs_are_refused_without_their_value(words: list[str]) -> None:
    with pytest.raises(CommandError, match="--set") as caught:
        pairs(["x=canary", *words, "canary"], "--set")
    assert "canary" not in str(caught.value)


@given(text=st.text(max_size=30))
def test_a_terminal_gets_one_line_of_printable_text(text: str) -> None:
    shown = table([{"a": text, "b": [text]}], ["a", "b"])
    assert len(shown.splitlines()) == 2
    assert all(line.isprintable() for line in shown.split("\n"))


def test_a_table_is_aligned() -> None:
    rows: list[dict[str, Any]] = [{"id": "1", "name": None}, {"id": "100", "name": ["a", "b"]}]
    assert table(rows, ["id", "name"]) == "ID   NAME\n1    -\n100  a, b"
    assert table([], ["id"]) == "ID"
