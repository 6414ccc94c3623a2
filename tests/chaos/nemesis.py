"""The nemesis: kills, freezes and empties parts of a running instance, one after another."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import redis
import requests

from tests.chaos.load import Posted, made
from tests.embedded.waiting import lives, until
from tests.street.instance import Instance
from tests.street.processes import children, family, frozen, send
from tests.street.tenant import OWED, Tenant

RECOVERY_SECONDS = 90
GRACE_SECONDS = 2
FROZEN_SECONDS = 3

_DISCONNECT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_OPEN = """
SELECT count(*) FROM notifications_attempt
 WHERE outcome = 'started' AND split_part(worker, ':', 2)::int = ANY(%s)
"""


@dataclass
class Blow:
    """One fault: when (seconds after the first), what, how many calls were open that it can have
    cut off from their record, and after how many seconds a fresh notification was accepted and
    delivered."""

    at: float
    name: str
    in_flight: int
    accepted: float = 0
    delivered: float = 0


@dataclass
class Nemesis:
    """Strikes the instance; `lease` is its HIRAM_LEASE_SECONDS."""

    instance: Instance
    probe: Tenant
    lease: float
    chance: random.Random
    blows: list[Blow] = field(default_factory=list)
    journal: list[Posted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._kinds: dict[str, Callable[[], int]] = {
            "kill -9 worker": lambda: self._kill_delivering(self._worker()),
            "kill -9 worker's child": lambda: self._kill_delivering(self._child()),
            "stop a child past its lease": self._stop_child,
            "kill -9 relay": lambda: self._kill("relay"),
            "kill -9 beat": lambda: self._kill("beat"),
            "kill -9 web": lambda: self._kill("web"),
            "kill -9 web's child": self._kill_web_child,
            "kill -9 redis": lambda: self._kill("redis"),
            "flushall": self._flush,
            "freeze redis": lambda: self._freeze("redis"),
            "freeze postgres": self._freeze_postgres,
            "end every connection to postgres": lambda: self._counted(self._disconnect),
            "kill -9 postgres": lambda: self._counted(lambda: self._kill("postgres")),
            "postgres immediate": lambda: self._counted(
                lambda: self._kill("postgres", signal.SIGQUIT)
            ),
        }

    def strike(self, rounds: int) -> None:
        """Every kind of fault `rounds` times, in an order that the seed decides."""
        for _ in range(rounds):
            for name in self.chance.sample(sorted(self._kinds), len(self._kinds)):
                began = time.monotonic()
                blow = Blow(began - self._began, name, self._kinds[name]())
                self.blows.append(blow)
                self._watch(blow, time.monotonic())

    @property
    def kinds(self) -> list[str]:
        """All kinds of faults."""
        return sorted(self._kinds)

    def _watch(self, blow: Blow, struck: float) -> None:
        """Wait until a fresh notification goes all the way."""
        number = len(self.blows)
        letter = self.probe.letter(f"probe{number}", priority="high")
        posted = Posted(self.probe, "/v1/notifications", f"probe {number}", letter, [], 0)

        def accepted() -> bool:
            posted.tries += 1
            try:
                with requests.Session() as session:
                    answer = posted.again(session)
            except requests.RequestException:
                return False
            posted.ids = made(answer) if answer.status_code == 202 else []
            return bool(posted.ids)

        until(accepted, RECOVERY_SECONDS)
        self.journal.append(posted)
        blow.accepted = time.monotonic() - struck
        until(lambda: self._shows_end(posted.ids[0]), RECOVERY_SECONDS)
        blow.delivered = time.monotonic() - struck

    def _shows_end(self, notification: str) -> bool:
        try:
            answer = self.probe.ask("GET", f"/v1/notifications/{notification}")
        except requests.RequestException:
            return False
        return answer.status_code == 200 and answer.json()["status"] not in OWED

    def _worker(self) -> list[int]:
        return family(self.instance.pid("worker"))

    def _child(self) -> list[int]:
        return [self.chance.choice(self._children("worker"))]

    def _children(self, name: str) -> Sequence[int]:
        return until(lambda: children(self.instance.pid(name)), RECOVERY_SECONDS)

    def _kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> int:
        pid = self.instance.pid(name)
        os.kill(pid, signum)
        until(lambda: not lives(pid), RECOVERY_SECONDS)
        return 0

    def _kill_delivering(self, victims: list[int]) -> int:
        """Kill the first of the victims; what stands still can be counted, and dies no other."""
        send(signal.SIGSTOP, *victims)
        in_flight = self._open(victims)
        os.kill(victims[0], signal.SIGKILL)
        until(lambda: not any(lives(victim) for victim in victims), RECOVERY_SECONDS)
        return in_flight

    def _stop_child(self) -> int:
        victims = self._child()
        with frozen(*victims):
            in_flight = self._open(victims)
            pass_by(self.lease + GRACE_SECONDS)
        return in_flight

    def _freeze(self, name: str) -> int:
        with frozen(*family(self.instance.pid(name))):
            pass_by(FROZEN_SECONDS)
        return 0

    def _freeze_postgres(self) -> int:
        victims = family(self.instance.pid("postgres"))
        try:
            in_flight = self._counted(lambda: send(signal.SIGSTOP, *victims))
            pass_by(FROZEN_SECONDS)
        finally:
            send(signal.SIGCONT, *victims)
        return in_flight

    def _counted(self, strike: Callable[[], object]) -> int:
        """Strike while the workers stand still; how many calls they have open."""
        workers = self._worker()
        with frozen(*workers):
            in_flight = self._open(workers)
            strike()
        return in_flight

    def _disconnect(self) -> None:
        with self.instance.database() as database:
            database.execute(_DISCONNECT)

    def _kill_web_child(self) -> int:
        granian = self._children("web")[0]
        victim = self.chance.choice(until(lambda: children(granian), RECOVERY_SECONDS))
        os.kill(victim, signal.SIGKILL)
        return 0

    def _flush(self) -> int:
        until(self._flushed, RECOVERY_SECONDS)
        return 0

    def _flushed(self) -> bool:
        """Whether it was there: the fault before this one may have killed it."""
        try:
            with redis.Redis.from_url(self.instance.environment("REDIS_URL")) as client:
                return bool(client.flushall())
        except redis.RedisError:
            return False

    def _open(self, victims: list[int]) -> int:
        with self.instance.database() as database:
            row = database.execute(_OPEN, [victims]).fetchone()
        assert row is not None
        return int(row[0])


def pass_by(seconds: float) -> None:
    """Let time pass: how long something stands still is the fault itself."""
    threading.Event().wait(seconds)
