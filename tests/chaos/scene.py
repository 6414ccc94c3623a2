"""What faults share: the instance under load, what is open in it, and whether anything passes."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import redis
import requests

from hiram.embedded.environment import ROOT
from hiram.embedded.instance import celery
from hiram.embedded.launch import launch
from tests.chaos.load import Posted, made
from tests.chaos.sink import Sink
from tests.chaos.story import Story
from tests.embedded.waiting import lives, until
from tests.street.instance import Instance
from tests.street.processes import children, family, frozen, send
from tests.street.tenant import OWED, Tenant

RECOVERY_SECONDS = 90

# What PostgreSQL works on now, for whom and since when. What waits for a lock opens no call, nor
# does what waits for its client to take an answer, which one that stands still never does.
_ASKED = """
SELECT pid, query_start FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
   AND coalesce(wait_event_type, '') NOT IN ('Lock', 'Client')
"""
_OPEN = """
SELECT count(*) FROM notifications_attempt
 WHERE outcome = 'started' AND split_part(worker, ':', 2)::int = ANY(%s)
"""


@dataclass
class Scene:
    """An instance under load. `lease` is its HIRAM_LEASE_SECONDS; `away` is for how many seconds
    what goes away for long stays away; `sinks` are the tenants' receivers, of which the probe's
    has a rate; `stories` is how those end of which a provider reports."""

    instance: Instance
    probe: Tenant
    lease: float
    away: float
    chance: random.Random
    sinks: Sequence[Sink] = ()
    journal: list[Posted] = field(default_factory=list)
    stories: dict[str, Story] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = itertools.count()

    @property
    def limited(self) -> Sink:
        """The probe's receiver."""
        [found] = [sink for sink in self.sinks if sink.tenant is self.probe]
        return found

    def fresh(self) -> Posted:
        """A notification that nobody asked for yet."""
        number = next(self._numbers)
        letter = self.probe.letter(f"probe{number}", priority="high")
        return Posted(self.probe, "/v1/notifications", f"probe {number}", letter, [], 0)

    def batch(self, count: int, tenant: Tenant | None = None, **fields: Any) -> Posted:
        """So many at once, of the probe or of this tenant."""
        number, asker = next(self._numbers), tenant or self.probe
        letters = [asker.letter(f"probe{number}-{n}", **fields) for n in range(count)]
        path, body = "/v1/notifications/batch", {"notifications": letters}
        return Posted(asker, path, f"probe {number}", body, [], 0)

    def accepts(self, posted: Posted) -> int:
        """The status of one answer to it, 0 without one; what is accepted is promised."""
        posted.tries += 1
        try:
            with requests.Session() as session:
                answer = posted.again(session)
        except requests.RequestException:
            return 0
        if answer.status_code == 202:
            posted.ids = made(answer)
            self.journal.append(posted)
        return answer.status_code

    def accepted(self, posted: Posted) -> Posted:
        """The same, once it is."""
        until(lambda: self.accepts(posted) == 202, RECOVERY_SECONDS)
        return posted

    def refused(self) -> Posted:
        """The first of many that is refused, with 503; it is still to be asked for again."""
        asked = [self.fresh()]

        def refuses() -> bool:
            status = self.accepts(asked[-1])
            if status == 202:
                asked.append(self.fresh())
            return status == 503

        until(refuses, RECOVERY_SECONDS)
        return asked[-1]

    def passes(self, posted: Posted | None = None) -> tuple[float, float]:
        """After how many seconds a fresh notification, or this one, is accepted, and delivered."""
        began, asked = time.monotonic(), posted or self.fresh()
        until(lambda: self.accepts(asked) == 202, RECOVERY_SECONDS)
        took = time.monotonic() - began
        until(lambda: self._shows_end(asked.ids[0]), RECOVERY_SECONDS)
        return took, time.monotonic() - began

    def _shows_end(self, notification: str) -> bool:
        try:
            answer = self.probe.ask("GET", f"/v1/notifications/{notification}")
        except requests.RequestException:
            return False
        return answer.status_code == 200 and answer.json()["status"] not in OWED

    def family(self, name: str) -> list[int]:
        """The process of that name, and all that descend from it."""
        return family(self.instance.pid(name))

    def children(self, name: str) -> Sequence[int]:
        """The children of that process."""
        return until(lambda: children(self.instance.pid(name)), RECOVERY_SECONDS)

    def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> None:
        """Kill the process of that name, and wait until it is gone."""
        pid = self.instance.pid(name)
        os.kill(pid, signum)
        until(lambda: not lives(pid), RECOVERY_SECONDS)

    def open_calls(self, workers: Sequence[int]) -> int:
        """How many calls these processes, which stand still, have open, as PostgreSQL knows.

        The commit that opens some may have been asked for just before they stopped.
        """
        with self.instance.database() as database:

            def asked() -> set[object]:
                return {*database.execute(_ASKED)}

            before = asked()
            until(lambda: not before & asked(), RECOVERY_SECONDS)
        return int(self.value(_OPEN, list(workers)))

    def counted(self, strike: Callable[[], object]) -> int:
        """Strike while the workers stand still; how many calls they have open."""
        workers = self.family("worker")
        with frozen(*workers):
            in_flight = self.open_calls(workers)
            strike()
        return in_flight

    def value(self, query: str, *values: Any) -> Any:
        """What a query for one value answers."""
        with self.instance.database() as database:
            row = database.execute(query, values).fetchone()
        assert row is not None
        return row[0]

    def broken(self) -> dict[str, int]:
        """Which invariants `manage.py audit` finds broken now, and by how many rows."""
        found: dict[str, int] = json.loads(self.instance.manage("audit", "--json").stdout)[
            "broken_counts"
        ]
        return found

    @contextmanager
    def redis_client(self) -> Iterator[redis.Redis]:
        """A client, once it is there: the fault before this one may have killed it."""
        with redis.Redis.from_url(self.instance.environment("REDIS_URL")) as client:
            until(lambda: _answers(client), RECOVERY_SECONDS)
            yield client

    @contextmanager
    def beside(self, *words: str, **environ: str) -> Iterator[int]:
        """Inside, one more process of Celery runs in this instance; its id."""
        told = json.loads((self.instance.home.path / "environment.json").read_text())
        env = self.instance.env | told | {"PYTHONPATH": str(ROOT)} | environ
        with (self.instance.home.log / "beside.log").open("ab") as output:
            process = launch(celery(words[0], *words).argv(), env=env, output=output)
        try:
            yield process.pid
        finally:
            members = family(process.pid)
            process.terminate()
            # What ends in order gives back what it holds; what does not is no worse than a crash.
            with suppress(AssertionError):
                until(lambda: process.poll() is not None, RECOVERY_SECONDS / 3)
            send(signal.SIGKILL, *members)
            process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def pass_by(seconds: float) -> None:
    """Let time pass: how long something stands still is the fault itself."""
    threading.Event().wait(seconds)
