"""A shelf: a package in which each module is one implementation of a contract.

The module's name is the key. Third parties put theirs on the shelf by an entry point of the
shelf's group, without a fork.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ShelfError(Exception):
    """A module on the shelf does not define exactly one implementation, or a key is doubled."""


class Shelf(Generic[T], Mapping[str, T]):
    """The implementations by key, instantiated once, when first looked at."""

    def __init__(self, package: str, *, marks: tuple[str, ...], group: str) -> None:
        """Scan `package` for classes that have all attributes of `marks`, and an entry point group."""
        self._package = package
        self._marks = marks
        self._group = group

    @cached_property
    def _items(self) -> dict[str, T]:
        package = importlib.import_module(self._package)
        items = {
            info.name: self._only(importlib.import_module(f"{self._package}.{info.name}"))
            for info in pkgutil.iter_modules(package.__path__)
        }
        for point in entry_points(group=self._group):
            if point.name in items:
                raise ShelfError(f"{point.value}: the key {point.name!r} is taken")
            items[point.name] = self._only(point.load())
        return dict(sorted(items.items()))

    def _only(self, module: ModuleType) -> T:
        found: list[Any] = [
            member
            for _, member in inspect.getmembers(module, inspect.isclass)
            if member.__module__ == module.__name__
            and not member.__name__.startswith("_")
            and all(hasattr(member, mark) for mark in self._marks)
        ]
        if len(found) != 1:
            raise ShelfError(
                f"{module.__name__} defines {len(found)} implementations, one is needed"
            )
        implementation: T = found[0]()
        return implementation

    def __getitem__(self, key: str) -> T:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
