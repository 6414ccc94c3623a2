"""Shelves: one file is one implementation, here or in somebody else's distribution."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from hiram.lib.shelf import Shelf, ShelfError

ONE = """
    class One:
        label = "one"
        def send(self): return "sent by one"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `shelved` that can be written to."""
    package = tmp_path / "shelved"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] in ("shelved", "foreign")]:
        del sys.modules[name]


def put(folder: Path, name: str, source: str) -> None:
    (folder / f"{name}.py").write_text(dedent(source))
    importlib.invalidate_caches()


def shelf() -> Shelf[Any]:
    return Shelf("shelved", marks=("label", "send"), group="hiram.shelved")


def offer(folder: Path, name: str, value: str) -> None:
    """A distribution with an entry point."""
    info = folder.parent / "foreign-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[hiram.shelved]\n{name} = {value}\n")


def test_each_module_is_one_implementation_under_its_name(folder: Path) -> None:
    put(folder, "two", ONE.replace("One", "Two").replace("one", "two"))
    put(folder, "one", ONE)
    found = shelf()
    assert list(found) == ["one", "two"]
    assert (len(found), "one" in found, "three" in found) == (2, True, False)
    assert [item.label for item in found.values()] == ["one", "two"]
    assert found["one"].send() == "sent by one"
    assert found["one"] is found["one"]
    assert found.get("three") is None
    with pytest.raises(KeyError):
        found["three"]


def test_nothing_is_imported_before_the_first_look(folder: Path) -> None:
    found = shelf()
    put(folder, "one", ONE)
    assert "shelved.one" not in sys.modules
    assert list(found) == ["one"]


def test_helpers_private_classes_and_imports_do_not_count(folder: Path) -> None:
    put(folder, "base", "class Base:\n    label = 'base'\n    def send(self): ...\n")
    put(
        folder,
        "one",
        """
        from shelved.base import Base
        class _Hidden(Base): ...
        class Settings: ...
        class One(Base):
            label = "one"
        """,
    )
    found = shelf()
    assert [type(item).__name__ for item in found.values()] == ["Base", "One"]


@pytest.mark.parametrize(
    ("source", "count"),
    [("", 0), ("class One: label = 'one'", 0), (ONE + ONE.replace("One", "Other"), 2)],
)
def test_a_module_with_none_or_several_is_refused(folder: Path, source: str, count: int) -> None:
    put(folder, "one", source)
    with pytest.raises(ShelfError, match=rf"shelved\.one defines {count} implementations"):
        list(shelf())


def test_others_put_theirs_on_it_by_an_entry_point(folder: Path) -> None:
    put(folder, "one", ONE)
    put(folder.parent, "foreign", ONE.replace("One", "Pigeon").replace("one", "pigeon"))
    offer(folder, "pigeon", "foreign")
    found = shelf()
    assert list(found) == ["one", "pigeon"]
    assert found["pigeon"].send() == "sent by pigeon"


def test_a_key_is_taken_once(folder: Path) -> None:
    put(folder, "one", ONE)
    put(folder.parent, "foreign", ONE)
    offer(folder, "one", "foreign")
    with pytest.raises(ShelfError, match="the key 'one' is taken"):
        list(shelf())
