"""One renderer, as the process that started it sees it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notifications.renderer import wire
from notifications.rendering.source import LIMIT, TOO_SLOW, Flaw, Source

ROOT = Path(__file__).parents[2]
_COMMAND = [sys.executable, "-s", "-X", "utf8", "-m", "notifications.renderer"]
# Nothing of this process's own: there are secrets in it.
ENVIRONMENT = {"TZ": "UTC"}
AT_ONCE, _OCTETS_AT_ONCE = 128, 128 * 1024
_MOST_KNOWN = 1024
# Room for it is made each time, and for much more that takes longer than to ask again.
_HEARD_AT_ONCE = 64 * 1024


class Ended(Exception):
    """The renderer has ended, or was ended, and why."""

    def __init__(self, code: str, detail: str) -> None:
        """Both as in a flaw."""
        super().__init__(detail)
        self.code = code
        self.detail = detail

    def flaw(self) -> Flaw:
        """The same of the template that was being rendered."""
        return Flaw("", None, None, self.code, self.detail)


@dataclass(frozen=True, slots=True)
class Clock:
    """How long each data set may take, when all of them are to be done, and how much they say."""

    seconds: float
    until: float
    octets: int


class Renderer:
    """A process that renders what it is given; used by one thread at a time."""

    def __init__(self) -> None:
        """Started, and not waited for."""
        self._peer, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                _COMMAND, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, cwd=ROOT, env=ENVIRONMENT,
                start_new_session=True,
            )  # fmt: skip
        self._heard = bytearray()
        self._known: set[bytes] = set()
        self._is_ready = False
        self._said = 0
        # Not to be used again: it said so, or was interrupted in the middle of a conversation.
        self.is_spent = False

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def is_ready(self) -> bool:
        """Whether it has told, by now, that it is; does not wait."""
        if not self._is_ready:
            with suppress(Ended):
                self.await_ready(0)
        return self._is_ready

    def await_ready(self, seconds: float) -> None:
        """Wait until it is.

        Raises:
            Ended: it has ended or takes too long.
        """
        if not self._is_ready:
            self._answer(time.monotonic() + seconds)
            self._is_ready = True

    def has_ended(self) -> bool:
        """Whether it is dead, or says something though it was not asked."""
        if not self._is_ready:
            return self._process.poll() is not None
        self._peer.setblocking(False)
        try:
            self._peer.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return bool(self._heard)
        except OSError:
            return True
        return True

    def render(
        self, source: Source, texts: Sequence[bytes], clock: Clock, at_once: int = AT_ONCE
    ) -> list[dict[str, str] | Flaw]:
        """As many of the data sets as it lives for, and time is left for.

        It answers for several at once. Where it died of one of several, none is blamed: `texts`
        is to be tried again with one at once, and then what it died of is the last.
        """
        done: list[dict[str, str] | Flaw] = []
        self.is_spent = True
        self._said = 0
        group: Sequence[bytes] = ()
        try:
            while len(done) < len(texts) and time.monotonic() < clock.until:
                group = _group(texts, len(done), at_once)
                self._ask(source, group, clock.seconds)
                if self._hear(source, group, done, clock):
                    return done
        except Ended as ended:
            return [*done, ended.flaw()] if len(group) == 1 else done
        self.is_spent = False
        return done

    def check(self, source: Source, seconds: float) -> list[Flaw]:
        """What is wrong with the source whatever the data."""
        self.is_spent = True
        try:
            rest = wire.SECONDS.pack(seconds - wire.AHEAD_SECONDS) + source.packed
            self._send(wire.CHECK + rest, seconds=seconds)
            kind, rest = self._answer(time.monotonic() + seconds)
        except Ended as ended:
            return [ended.flaw()]
        self.is_spent = kind.isupper()
        return [Flaw(**made) for made in json.loads(rest)]

    def end(self) -> None:
        """Kill it, whatever it does, and leave nothing of it."""
        self._peer.close()
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Another process's, inherited by a fork: its end of the conversation is not ours."""
        self._peer.close()
        self._process.returncode = 0

    def _ask(self, source: Source, group: Sequence[bytes], seconds: float) -> None:
        rest = source.key + wire.SECONDS.pack(seconds - wire.AHEAD_SECONDS) + wire.packed(group)
        messages = [wire.RENDER + rest]
        if source.key not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known.add(source.key)
            messages.insert(0, wire.SOURCE + source.key + source.packed)
        self._send(*messages, seconds=seconds)

    def _hear(
        self,
        source: Source,
        group: Sequence[bytes],
        done: list[dict[str, str] | Flaw],
        clock: Clock,
    ) -> bool:
        """Whether it is to be ended after this: it wants to be, or has said enough."""
        kind = b""
        for _ in group:
            # It is told to be a little faster, so that it can say itself what was too slow.
            kind, rest = self._answer(time.monotonic() + clock.seconds)
            if kind == wire.UNKNOWN:
                self._known.discard(source.key)
                return False
            done.append(_understood(source, kind, rest))
            self._said += len(rest)
            if self._said > clock.octets:
                return True
        return kind.isupper()

    def _send(self, *messages: bytes, seconds: float) -> None:
        self._peer.settimeout(seconds)
        try:
            self._peer.sendall(wire.packed(messages))
        except OSError as error:
            raise self._ended() from error

    def _answer(self, deadline: float) -> tuple[bytes, bytes]:
        (length,) = wire.HEAD.unpack(self._exactly(wire.HEAD.size, deadline))
        if not 0 < length <= wire.LARGEST_ANSWER:
            raise Ended(LIMIT, "the renderer said too much")
        answer = self._exactly(length, deadline)
        return answer[:1], answer[1:]

    def _exactly(self, octets: int, deadline: float) -> bytes:
        while len(self._heard) < octets:
            left = deadline - time.monotonic()
            try:
                self._peer.settimeout(max(left, 1e-6))
                piece = self._peer.recv(_HEARD_AT_ONCE)
            except TimeoutError:
                raise Ended(TOO_SLOW, "it takes too long") from None
            except OSError as error:
                raise self._ended() from error
            if not piece:
                raise self._ended()
            self._heard += piece
        taken = bytes(self._heard[:octets])
        del self._heard[:octets]
        return taken

    def _ended(self) -> Ended:
        """Why it ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        if self._process.returncode == -signal.SIGALRM:
            return Ended(TOO_SLOW, "it takes too long")
        return Ended(LIMIT, "the renderer gave up on it")


def _group(texts: Sequence[bytes], start: int, at_once: int) -> Sequence[bytes]:
    """Those that are sent together, which it hears before it answers."""
    octets, end = 0, start
    while end < len(texts) and end - start < at_once and octets < _OCTETS_AT_ONCE:
        octets += len(texts[end])
        end += 1
    return texts[start:end]


def _understood(source: Source, kind: bytes, rest: bytes) -> dict[str, str] | Flaw:
    if kind.lower() == wire.TEXTS:
        pieces: list[Any] = wire.unpacked(rest)
        return {part: piece.decode() for part, piece in zip(source.parts, pieces, strict=True)}
    return Flaw(**json.loads(rest)[0])
