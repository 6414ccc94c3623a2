"""One run: the faults and the load, the drain, the witnesses, the verdict, the table."""

from __future__ import annotations

import json
import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import pytest

from hiram.embedded.environment import ROOT
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.nemesis import HEAD, Nemesis, every_kind
from tests.chaos.receivers import EVENTS
from tests.chaos.scene import Scene
from tests.chaos.sink import Sink
from tests.chaos.told import Told
from tests.embedded.waiting import until
from tests.street.instance import TOPICS, Instance

LEASE_SECONDS, CALL_SECONDS = 10, 5
TENANTS = 4
RATE = 20
"""Posts in a second that the probe's receiver asks for."""

HASTEN_SECONDS = 1
"""More often, what waits for a breaker would keep everybody busy with being claimed and put back."""

NAMES = ["beat", "postgres", "redis", "relay", "simulator", "web", "worker"]
CONNECTIONS = 60
"""Two web processes of 8 threads, workers, relay and operations need half as many."""

_CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"

_STILL_OWED = """
SELECT o.topic, o.leased_by, o.due_at - clock_timestamp(), o.tries, o.claims, o.ordering_key,
       array(SELECT concat_ws(' ', a.outcome, a.error, a.started_at) FROM notifications_attempt a
              WHERE a.subject_id = o.id ORDER BY a.started_at)
  FROM notifications_outboxmessage o ORDER BY o.due_at LIMIT 10
"""
_DOUBTFUL = """
SELECT round(extract(epoch FROM started_at) - %(zero)s, 1)::float,
       round(extract(epoch FROM finished_at) - %(zero)s, 1)::float,
       outcome, fault, worker, error
  FROM notifications_attempt WHERE outcome IN ('unknown', 'abandoned') ORDER BY started_at
"""

Faults = Callable[[Scene], Mapping[str, Callable[[], int]]]


@dataclass(frozen=True)
class Form:
    """How big a run is. A patient one waits for retries, the other makes them due at once.

    `away` is for how many seconds what goes away for long stays away.
    """

    notifications: int
    per_second: float
    rounds: int
    patient: bool
    drain_seconds: float
    away: float


def run(
    form: Form,
    capsys: pytest.CaptureFixture[str],
    faults: Faults = every_kind,
    **settings: str,
) -> None:
    """Run it and print its table; `settings` are more variables of the instance.

    Raises:
        AssertionError: something is lost, or nothing was tried.
    """
    seed = int(os.environ.get("HIRAM_CHAOS_SEED") or secrets.randbelow(10**6))
    settings["HIRAM_LEASE_SECONDS"] = str(LEASE_SECONDS)
    settings["HIRAM_CALL_SECONDS"] = str(CALL_SECONDS)
    with Instance(**settings) as instance, ExitStack() as stack:
        until(instance.ready, 60)

        def say(line: str) -> None:
            with capsys.disabled():
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()

        say(f"\nchaos, HIRAM_CHAOS_SEED={seed}\n{HEAD}")
        nemesis, load = play(instance, form, faults, seed, stack, say)
        drained = drain(instance, form)
        scene = nemesis.scene
        ledger = Ledger(instance, [*load.journal, *scene.journal], scene.stories)
        told = Told(instance, scene.sinks)
        with instance.database() as database:
            [[connected]] = database.execute(_CONNECTED).fetchall()
        say(summary(nemesis, load, ledger, told))
        say(f"drained in {drained:.1f} s, {connected} connections to PostgreSQL")
        if form.patient:
            path = ROOT / "var" / "chaos.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(facts(seed, nemesis, load, ledger, told), indent=2))
        judge(form, nemesis, load, ledger, told)
        until(instance.ready, 60)
        assert sorted(p.stem for p in instance.home.run.glob("*.pid")) == NAMES
        assert connected < CONNECTIONS


def play(
    instance: Instance,
    form: Form,
    faults: Faults,
    seed: int,
    stack: ExitStack,
    say: Callable[[str], object],
) -> tuple[Nemesis, Load]:
    """The load and the faults, until both are through; receivers take until the stack ends."""
    tenants = [instance.tenant() for _ in range(TENANTS)]
    probe = instance.tenant()
    for tenant in (*tenants, probe):
        tenant.provider()
    sinks = [
        stack.enter_context(Sink(tenant, instance.home.port(f"sink {number}"), rate))
        for number, (tenant, rate) in enumerate([*((t, None) for t in tenants), (probe, RATE)])
    ]
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    scene = Scene(instance, probe, LEASE_SECONDS, form.away, chance, sinks)
    nemesis = Nemesis(scene, faults(scene), audits=form.patient)
    # So that calls are open when the blows fall, and some are tried again.
    slow = {"target": "smtp", "kind": "slow", "seconds": 0.6, "probability": 0.5, "seed": seed}
    refuse = {"target": "smtp", "kind": "status", "code": 451, "probability": 0.02, "seed": seed}
    mailbox = instance.mailbox
    with (
        mailbox.ordered(**refuse),
        mailbox.ordered(**slow),
        Load(tenants, form.notifications, form.per_second) as load,
    ):
        for blow in nemesis.strike(form.rounds):
            say(blow.line())
    return nemesis, load


def drain(instance: Instance, form: Form) -> float:
    """Wait until nothing is owed; how long that took, in seconds."""
    began = time.monotonic()
    # The third post of a webhook comes after five minutes, the next after half an hour.
    topics = ("webhook",) if form.patient else TOPICS
    hastened = -float(HASTEN_SECONDS)

    def left() -> int:
        nonlocal hastened
        hasten = time.monotonic() - hastened >= HASTEN_SECONDS
        hastened = time.monotonic() if hasten else hastened
        return instance.owed(hasten=hasten, topics=topics)

    try:
        until(lambda: left() == 0, form.drain_seconds)
    except AssertionError as error:
        with instance.database() as database:
            owed = database.execute(_STILL_OWED).fetchall()
        raise AssertionError(f"{instance.owed()} still owed, such as {owed}") from error
    return time.monotonic() - began


def doubtful(instance: Instance, nemesis: Nemesis) -> str:
    """The attempts that may have arrived twice, in seconds after the first blow."""
    with instance.database() as database:
        found = database.execute(_DOUBTFUL, {"zero": nemesis.zero}).fetchall()
    return "\n".join(map(str, found))


def judge(form: Form, nemesis: Nemesis, load: Load, ledger: Ledger, told: Told) -> None:
    """The run was a run, and nothing is wrong."""
    assert sorted({blow.name for blow in nemesis.blows}) == nemesis.kinds
    assert len(nemesis.blows) == form.rounds * len(nemesis.kinds)
    in_flight = sum(blow.in_flight for blow in nemesis.blows)
    assert in_flight > 0, "no call was open at any kill: nothing was tried"
    assert load.troubles, "no request was disturbed: nothing was tried"
    assert ledger.accepted >= form.notifications
    assert [blow for blow in nemesis.blows if blow.broken] == []
    assert load.defects == []
    assert ledger.findings == []
    assert told.findings == []
    assert told.events >= EVENTS * form.notifications
    twice = ledger.duplicates + told.duplicates
    assert twice <= in_flight, doubtful(ledger.instance, nemesis)


def facts(
    seed: int, nemesis: Nemesis, load: Load, ledger: Ledger, told: Told
) -> dict[str, object]:
    """What happened, for programs."""
    return {
        "seed": seed,
        "faults": [asdict(blow) for blow in nemesis.blows],
        "accepted": ledger.accepted,
        "arrived": ledger.arrivals.total(),
        "duplicates": ledger.duplicates,
        "in_flight": sum(blow.in_flight for blow in nemesis.blows),
        "clients_saw": dict(load.troubles),
        "events": told.events,
        "events_twice": told.duplicates,
        "findings": [*load.defects, *ledger.findings, *told.findings],
    }


def summary(nemesis: Nemesis, load: Load, ledger: Ledger, told: Told) -> str:
    """What became of it all, for people."""
    in_flight = sum(blow.in_flight for blow in nemesis.blows)
    lines = [
        f"accepted {ledger.accepted}, arrived {ledger.arrivals.total()}",
        f"told {told.events} events by {told.posts} posts",
        f"duplicates {ledger.duplicates} and {told.duplicates}, in flight {in_flight}",
        f"clients saw {dict(load.troubles)}",
        *load.defects,
        *ledger.findings,
        *told.findings,
    ]
    return "\n".join(lines)
