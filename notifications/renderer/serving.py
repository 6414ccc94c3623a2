"""The renderer's loop: one message in, its answers out, until the other end is closed."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import warnings
from collections import OrderedDict
from typing import Any

from notifications.renderer import wire
from notifications.renderer.compiled import Compiled, Flaw
from notifications.renderer.confine import Confined
from notifications.renderer.language import FILTERS

_MOST_KEPT = 256
_OCTETS_KEPT = 2 * wire.MEBIBYTE
# Grown by more than this, it is not worth its memory: a new one is.
_MOST_GROWN = 16 * wire.MEBIBYTE
_GRACE_SECONDS = 5.0
# Less than what the renderer's clock is ahead of its parent's.
_EVERY_SECONDS = 0.02
_OCTETS_AT_ONCE = 64 * 1024


class _Kept:
    """Compiled sources, those used last."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[bytes, tuple[Compiled, int]] = OrderedDict()
        self._octets = 0

    def get(self, key: bytes) -> Compiled | None:
        if key not in self._by_key:
            return None
        self._by_key.move_to_end(key)
        return self._by_key[key][0]

    def add(self, key: bytes, octets: int, source: Compiled) -> None:
        self._octets += octets - self._by_key.pop(key, (None, 0))[1]
        self._by_key[key] = source, octets
        while len(self._by_key) > _MOST_KEPT or self._octets > _OCTETS_KEPT:
            if len(self._by_key) == 1:
                return
            self._octets -= self._by_key.popitem(last=False)[1][1]


class Serving:
    """One renderer, talking to the process that started it."""

    def __init__(self, peer: socket.socket) -> None:
        """Everything a template can reach is used once, since nothing can be opened later."""
        self._peer = peer
        self._kept = _Kept()
        _use_everything()
        self._process = Confined(wire.MEMORY_OCTETS)
        self._most = self._process.idle + _MOST_GROWN
        self._is_spent = False
        self._notes: list[bytes] = []
        self._noted = 0
        self._note(wire.READY, b"")
        self._tell()

    def run(self) -> None:
        """Until the other end is closed."""
        while (message := self._hear()) is not None:
            kind, rest = message[:1], message[1:]
            if kind == wire.SOURCE:
                key, source = rest[: wire.KEY_OCTETS], rest[wire.KEY_OCTETS :]
                self._kept.add(key, len(source), Compiled(**json.loads(source)))
            elif kind == wire.CHECK:
                self._check(rest)
            else:
                self._render(rest)

    def _render(self, rest: bytes) -> None:
        source = self._kept.get(rest[: wire.KEY_OCTETS])
        if source is None:
            self._note(wire.UNKNOWN, b"")
            self._tell()
            return
        (seconds,) = wire.SECONDS.unpack_from(rest, wire.KEY_OCTETS)
        sets = wire.unpacked(rest, wire.KEY_OCTETS + wire.SECONDS.size)
        told = time.monotonic()
        for number, data in enumerate(sets, 1):
            # Ends the process, in whatever it is: also when nobody is left to kill it.
            signal.setitimer(signal.ITIMER_REAL, seconds)
            made = _rendered(source, data)
            is_last = number == len(sets)
            if isinstance(made, dict):
                self._is_spent |= made["code"] == "template_too_much_memory"
                self._note(wire.FLAWS, json.dumps([made]).encode(), is_last=is_last)
            else:
                self._note(wire.TEXTS, wire.packed(made), is_last=is_last)
            if (
                is_last
                or self._noted > _OCTETS_AT_ONCE
                or time.monotonic() - told > _EVERY_SECONDS
            ):
                self._tell()
                told = time.monotonic()

    def _check(self, rest: bytes) -> None:
        (seconds,) = wire.SECONDS.unpack_from(rest)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        flaws = Compiled(**json.loads(rest[wire.SECONDS.size :])).check()
        self._note(wire.FLAWS, json.dumps(flaws).encode(), is_last=True)
        self._tell()

    def _note(self, kind: bytes, rest: bytes, *, is_last: bool = False) -> None:
        """An answer, to be told soon."""
        if is_last and (self._is_spent or self._process.octets() > self._most):
            kind = kind.upper()
        self._notes += (wire.HEAD.pack(len(rest) + 1), kind, rest)
        self._noted += len(rest)

    def _tell(self) -> None:
        """Tell what was noted: a word at a time, each would wake the other end."""
        signal.setitimer(signal.ITIMER_REAL, _GRACE_SECONDS)
        self._peer.sendall(b"".join(self._notes))
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._notes.clear()
        self._noted = 0

    def _hear(self) -> bytes | None:
        head = self._exactly(wire.HEAD.size)
        return None if head is None else self._exactly(wire.HEAD.unpack(head)[0])

    def _exactly(self, octets: int) -> bytes | None:
        heard = bytearray()
        while len(heard) < octets:
            piece = self._peer.recv(octets - len(heard))
            if not piece:
                return None
            heard += piece
        return bytes(heard)


def _rendered(source: Compiled, data: bytes) -> list[bytes] | Flaw:
    try:
        made = source.render(json.loads(data))
        return made if isinstance(made, dict) else [text.encode() for text in made]
    except (MemoryError, RecursionError, UnicodeError) as error:
        code = "template_too_much_memory" if isinstance(error, MemoryError) else "template_error"
        return {
            "part": "", "line": None, "column": None, "code": code,
            "detail": "the data cannot be rendered",
        }  # fmt: skip


def _use_everything() -> None:
    """Every filter, dates in each form, and an error: some import what they need when used."""
    uses: list[tuple[str, Any]] = [(f"{{{{ v | {name} }}}}", "a <b>") for name in FILTERS]
    uses += [
        ("{{ v | date: '%A %d %B %Y %j %U %z %%' }}", value)
        for value in ("2026-01-31T10:00:00Z", "1 Jan 2026 10:00 PM +0100", 3, "now")
    ]
    uses += [("{{ v | times: 1.5 | plus: 2.5 | modulo: 2.5 }}", 2.5), ("{% if", "")]
    for html, value in uses:
        Compiled({"html": html}, {}, ["html"]).render({"v": value})


def serve() -> None:
    """Serve the process whose socket is this one's standard input."""
    warnings.simplefilter("ignore")
    peer = socket.socket(fileno=os.dup(0))
    Serving(peer).run()
