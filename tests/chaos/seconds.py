"""Seconds: one process more than there should be, or one whose clock is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import redis

from tests.chaos.scene import RECOVERY_SECONDS, Scene, pass_by
from tests.embedded.waiting import until
from tests.street.processes import family, frozen

HOUR_SECONDS = 3_600
TOGETHER_SECONDS = 3

COMPILER = shutil.which("cc")
SOURCE = Path(__file__).with_name("clock.c")

_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")
_RELAY = ("worker", "-Q", "relay", "-P", "solo", "-c", "1", "-n", "relay2@%h", *_QUIET)
_WORKER = ("worker", "-Q", "deliver", "-P", "prefork", "-c", "1", "-n", "worker2@%h", *_QUIET)
_BEAT = ("beat", "--pidfile=", "--loglevel", "INFO")

_CALLS = """
SELECT count(*) FROM notifications_attempt WHERE split_part(worker, ':', 2)::int = ANY(%s)
"""


class Seconds:
    """Each answers how many calls it can have cut off from their record."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.kinds: dict[str, Callable[[], int]] = {
            "two relays and two beats": self._two_of_each,
        }
        if COMPILER and sys.platform == "linux":
            self.kinds["a worker's clock an hour off"] = self._wrong_clock

    def _two_of_each(self) -> int:
        """They do no harm together, and the second ones do the work when the first ones cannot."""
        scene = self._scene
        with scene.beside(*_RELAY), scene.beside(*_BEAT), ExitStack() as stack:
            pass_by(TOGETHER_SECONDS)
            stack.enter_context(frozen(*scene.family("relay"), *scene.family("beat")))
            client = stack.enter_context(
                redis.Redis.from_url(scene.instance.environment("REDIS_URL"))
            )
            # Beat's tick, written down by the relay that took it.
            [key] = until(lambda: client.keys("*hiram:beat"), RECOVERY_SECONDS)
            seen = client.get(key)
            until(lambda: client.get(key) != seen, RECOVERY_SECONDS)
        return 0

    def _wrong_clock(self) -> int:
        """It drops every tick as too old or not, and delivers all the same, by PostgreSQL's time."""
        scene = self._scene
        shift = scene.chance.choice((HOUR_SECONDS, -HOUR_SECONDS))
        environ = {"LD_PRELOAD": str(self._shim()), "CLOCK_SHIFT_SECONDS": str(shift)}
        _prove(environ, shift)
        with scene.beside(*_WORKER, **environ) as pid:
            until(lambda: scene.value(_CALLS, family(pid)), RECOVERY_SECONDS)
            workers = scene.family("worker")
            with frozen(*workers):
                in_flight = scene.open_calls(workers)
                scene.passes()
        return in_flight

    def _shim(self) -> Path:
        shim = self._scene.instance.home.path / "clock.so"
        if not shim.exists():
            words = ["-shared", "-fPIC", "-O1", "-o", str(shim), str(SOURCE), "-ldl"]
            subprocess.run([str(COMPILER), *words], check=True, timeout=60)
        return shim


def _prove(environ: dict[str, str], shift: int) -> None:
    """See that a process with this environment has another time, and the same patience."""
    program = (
        "import threading, time; began = time.monotonic();"
        " threading.Event().wait(0.1); waited = time.monotonic() - began;"
        " print(time.time(), waited)"
    )
    words = [sys.executable, "-I", "-S", "-c", program]
    shown = [
        subprocess.run(words, env=env, capture_output=True, text=True, check=True, timeout=60)
        for env in (environ, {})
    ]
    (theirs, waited), (ours, _) = (map(float, done.stdout.split()) for done in shown)
    assert abs(theirs - ours - shift) < HOUR_SECONDS / 60, (
        "the clock is not off: nothing was tried"
    )
    assert 0.1 <= waited < HOUR_SECONDS / 60
