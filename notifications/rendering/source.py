"""What is rendered together, and what can be wrong with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from notifications.renderer.wire import PARTIAL, SOURCE_OCTETS
from notifications.rendering.plain import Part, parts_of

TOO_SLOW = "template_too_slow"
LIMIT = "template_limit"
SECONDS = 1.0
_SET_SECONDS = 0.01
# A renderer that does not know a source yet parses it.
_SOURCE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a source, or with the data for it.

    `part` is empty where no part is to blame, and `partials.<name>` in a partial. Lines and
    columns count from one. `detail` of an `undefined_variable` is its name.
    """

    part: str
    line: int | None
    column: int | None
    code: str
    detail: str


@dataclass(slots=True)
class Allowance:
    """What all renderings of one call may still take together; it gets less by their use.

    `characters` are those they write: this process holds them all at once.
    """

    seconds: float
    characters: int = 64 * 1024 * 1024

    @classmethod
    def of(cls, sets: int, seconds: float = SECONDS, *, sources: int = 1) -> Allowance:
        """For so many data sets of so many sources; one alone may take `seconds`."""
        return cls(seconds + _SET_SECONDS * sets + _SOURCE_SECONDS * (sources - 1))

    def is_over(self) -> Flaw | None:
        """What to say of those that there is nothing left for."""
        if self.seconds <= 0:
            return Flaw("", None, None, TOO_SLOW, "all of them together take too long")
        if self.characters <= 0:
            return Flaw(
                "", None, None, LIMIT, "all texts of this call are too long; send to fewer at once"
            )
        return None


class Unavailable(Exception):
    """No renderer could be had in time: it may work a second later."""


@dataclass(frozen=True)
class Source:
    """Parts that are rendered together, in Liquid; nothing in it may change later.

    Keep one that is used again: what is computed from it is kept with it.
    """

    parts: Mapping[str, str]
    partials: Mapping[str, str] = field(default_factory=dict)
    escaped: frozenset[str] = frozenset()

    @cached_property
    def packed(self) -> bytes:
        """It, for a renderer."""
        return json.dumps(
            {
                "parts": dict(self.parts),
                "partials": dict(self.partials),
                "escaped": sorted(self.escaped),
            }
        ).encode()

    @cached_property
    def key(self) -> bytes:
        """What a renderer knows it by."""
        return hashlib.sha256(self.packed).digest()

    @cached_property
    def plain(self) -> tuple[Part, ...] | None:
        """Its parts, where they are no programs."""
        return parts_of(self.parts, self.escaped)

    @cached_property
    def too_large(self) -> Flaw | None:
        """What to say where nobody should even try."""
        texts = [*self.parts.items(), *((PARTIAL + n, s) for n, s in self.partials.items())]
        if sum(len(text) for _, text in texts) <= SOURCE_OCTETS:
            return None
        part = max(texts, key=lambda named: len(named[1]))[0]
        detail = f"the source is longer than {SOURCE_OCTETS} characters"
        return Flaw(part, None, None, LIMIT, detail)
