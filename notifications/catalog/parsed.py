"""A published version as sends use it: parsed once in each process, and bounded in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from notifications.catalog.variables import Variables
from notifications.rendering import Source

OCTETS = 64 * 1024 * 1024
"""Of sources that a process keeps parsed, about."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What publishing made of one version; it never changes again."""

    version_id: UUID
    sources: Mapping[str, Source]
    variables: Variables
    brand: Mapping[str, Any]
    size: int


def parse(version_id: UUID, variables: Mapping[str, Any], worked: Mapping[str, Any]) -> Parsed:
    """Of the columns of a version."""
    partials = worked["partials"]
    escaped = frozenset(worked["escaped"])
    sources = {
        locale: Source(parts=parts, partials=partials, escaped=escaped)
        for locale, parts in worked["locales"].items()
    }
    texts = [*partials.values(), *(p for s in sources.values() for p in s.parts.values())]
    size = 4_096 + sum(map(len, texts))
    return Parsed(version_id, sources, Variables(variables), worked["brand"], size)


@dataclass(frozen=True, slots=True)
class Entry:
    """Versions by their ids, and what was found with them, `as_of` a moment of the tenant's."""

    versions: Mapping[UUID, Parsed] = field(default_factory=dict)
    as_of: datetime | None = None
    found: Any = None

    @property
    def size(self) -> int:
        """Of its versions."""
        return sum(parsed.size for parsed in self.versions.values())


NOTHING = Entry()


class Kept:
    """What was used last, by a name of what was asked for; the oldest are dropped first."""

    def __init__(self, octets: int = OCTETS) -> None:
        """`octets` bound their sizes together."""
        self._octets = octets
        self._size = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()

    def get(self, key: Hashable) -> Entry:
        """What is kept under this name."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key, NOTHING)

    def put(self, key: Hashable, entry: Entry) -> None:
        """Keep this under this name instead of what was there."""
        with self._lock:
            self._drop(key)
            if not entry.versions:
                return
            self._entries[key] = entry
            self._size += entry.size
            while self._size > self._octets and len(self._entries) > 1:
                self._drop(next(iter(self._entries)))

    def _drop(self, key: Hashable) -> None:
        self._size -= self._entries.pop(key, NOTHING).size
