"""A few renderers, lent to one caller at a time, and replaced when they were killed."""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from notifications.rendering.plain import texts
from notifications.rendering.process import AT_ONCE, Clock, Ended, Renderer
from notifications.rendering.source import SECONDS, Allowance, Flaw, Source, Unavailable

logger = logging.getLogger(__name__)

SIZE = 2
_PATIENCE_SECONDS = 2.5
_START_SECONDS = 10.0


class Pool:
    """Renderers of this process; after a fork the child has none, and starts its own."""

    def __init__(self, size: int = SIZE, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Nothing is started before `start` or the first use."""
        self._size = size
        self._patience_seconds = patience_seconds
        # One owner leaves one to the others.
        self._most_of_one = max(size - 1, 1)
        self._reset()
        _pools.add(self)

    def start(self) -> None:
        """Start what is missing, and return while it starts."""
        with self._changed:
            self._fill()

    def close(self) -> None:
        """End all of them; those being used, too. A later use starts new ones."""
        with self._changed:
            renderers = list(self._all)
            self._all.clear()
            self._free.clear()
            self._call_next()
            self._changed.notify_all()
        for renderer in renderers:
            renderer.end()

    def check(self, source: Source, *, owner: str = "", seconds: float = SECONDS) -> list[Flaw]:
        """What is wrong with the source whatever the data.

        Raises:
            Unavailable: no renderer was free in time.
        """
        if source.too_large:
            return [source.too_large]
        with self._lent(owner) as renderer:
            return renderer.check(source, seconds)

    def render(
        self,
        source: Source,
        data: Sequence[Mapping[str, Any]],
        *,
        owner: str = "",
        seconds: float = SECONDS,
        allowance: Allowance | None = None,
    ) -> list[dict[str, str] | Flaw]:
        """The parts for each of the data sets, or what is wrong with it, in their order.

        One may take `seconds`, and all of them what the allowance still has.

        Raises:
            Unavailable: no renderer was free in time.
        """
        if source.too_large:
            return [source.too_large] * len(data)
        left = allowance or Allowance.of(len(data), seconds)
        texts = [json.dumps(one, separators=(",", ":")).encode() for one in data]
        done: list[dict[str, str] | Flaw] = []
        at_once = AT_ONCE
        while len(done) < len(texts) and not left.is_over():
            with self._lent(owner) as renderer:
                began = time.monotonic()
                clock = Clock(seconds, began + left.seconds, left.characters)
                made = renderer.render(source, texts[len(done) :], clock, at_once)
                done += made
                left.seconds -= time.monotonic() - began
                left.characters -= sum(map(_characters, made))
                if renderer.is_spent:
                    at_once = 1
        over = left.is_over()
        return done + ([over] * (len(texts) - len(done)) if over else [])

    def forget(self) -> None:
        """In a child after a fork: these renderers are the parent's."""
        renderers = list(self._all)
        self._reset()
        for renderer in renderers:
            renderer.forget()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._all: set[Renderer] = set()
        self._free: list[Renderer] = []
        self._held: Counter[str] = Counter()
        self._waiting: deque[_Ticket] = deque()

    @contextmanager
    def _lent(self, owner: str) -> Iterator[Renderer]:
        renderer = self._take(owner)
        try:
            try:
                renderer.await_ready(_START_SECONDS)
            except Ended as ended:
                renderer.is_spent = True
                logger.exception("a renderer does not start")
                raise Unavailable from ended
            yield renderer
        finally:
            self._give_back(owner, renderer)

    def _take(self, owner: str) -> Renderer:
        deadline = time.monotonic() + self._patience_seconds
        with self._changed:
            ticket = _Ticket(owner, threading.Condition(self._lock))
            self._waiting.append(ticket)
            try:
                while not self._is_next(ticket):
                    if not ticket.turn.wait(deadline - time.monotonic()):
                        raise Unavailable
                self._held[owner] += 1
                return self._pick()
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
                # Who comes after may be next now.
                if self._free:
                    self._call_next()

    def _is_next(self, ticket: _Ticket) -> bool:
        if ticket is not self._next():
            return False
        self._fill()
        return bool(self._free)

    def _next(self) -> _Ticket | None:
        """First come, first served; but an owner who has as many as one may have is passed over."""
        return next(
            (one for one in self._waiting if self._held[one.owner] < self._most_of_one), None
        )

    def _call_next(self) -> None:
        """Wake who is next, and nobody else: most would only find that it is not their turn."""
        if (ticket := self._next()) is not None:
            ticket.turn.notify()

    def _pick(self) -> Renderer:
        """One that is ready, if there is such, and of those the one used last."""
        at = next((at for at in reversed(range(len(self._free))) if self._free[at].is_ready()), -1)
        return self._free.pop(at)

    def _fill(self) -> None:
        """Renderers in the place of those that ended or were never started."""
        for renderer in [one for one in self._free if one.has_ended()]:
            logger.warning("renderer ended by itself")
            self._drop(renderer)
        while len(self._all) < self._size:
            renderer = Renderer()
            self._all.add(renderer)
            self._free.append(renderer)

    def _give_back(self, owner: str, renderer: Renderer) -> None:
        with self._changed:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
            if renderer not in self._all:  # closed meanwhile
                renderer.end()
            elif renderer.is_spent:
                self._drop(renderer)
                self._fill()
            else:
                self._free.append(renderer)
            self._call_next()
            self._changed.notify_all()

    def _drop(self, renderer: Renderer) -> None:
        self._all.discard(renderer)
        if renderer in self._free:
            self._free.remove(renderer)
        renderer.end()


class _Ticket:
    """A place in the queue; `turn` is told when it may be the next."""

    def __init__(self, owner: str, turn: threading.Condition) -> None:
        self.owner = owner
        self.turn = turn


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _forget_all() -> None:
    for pool in list(_pools):
        pool.forget()


def _close_all() -> None:
    for pool in list(_pools):
        pool.close()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)


def _characters(made: Mapping[str, str] | Flaw) -> int:
    return 0 if isinstance(made, Flaw) else sum(map(len, made.values()))


_ours = Pool()
start, close, check = _ours.start, _ours.close, _ours.check


def render(
    source: Source,
    data: Sequence[Mapping[str, Any]],
    *,
    owner: str = "",
    seconds: float = SECONDS,
    allowance: Allowance | None = None,
) -> list[dict[str, str] | Flaw]:
    """As `Pool.render`, but what is plain is written here and now.

    Raises:
        Unavailable: no renderer was free in time.
    """
    left = allowance or Allowance.of(len(data), seconds)
    made = [_written(source, one, left) for one in data]
    others = [one for one, done in zip(data, made, strict=True) if done is None]
    if not others:
        return [done for done in made if done is not None]
    rest = iter(_ours.render(source, others, owner=owner, seconds=seconds, allowance=left))
    return [next(rest) if done is None else done for done in made]


def _written(source: Source, data: Mapping[str, Any], left: Allowance) -> dict[str, str] | None:
    if source.plain is None or left.is_over():
        return None
    began = time.monotonic()
    made = texts(source.plain, data)
    left.seconds -= time.monotonic() - began
    left.characters -= _characters(made or {})
    return made
