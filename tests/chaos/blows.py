"""Blows: processes killed, frozen and emptied, one at a time."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

from delivery.tasks import TICK_SECONDS
from tests.chaos.scene import RECOVERY_SECONDS, Scene, pass_by
from tests.embedded.waiting import lives, until
from tests.street.processes import children, frozen, send

GRACE_SECONDS = 2
FROZEN_SECONDS = 3
SILENT_SECONDS = 6
"""Longer than a call may take (`CALL_SECONDS` of the test), shorter than a lease."""

QUEUES = ("relay", "deliver")
_PICKLED = {
    "body": "gASVBAAAAAAAAACMAXiULg==",
    "content-type": "application/x-python-serialize",
    "content-encoding": "binary",
    "headers": {"task": "hiram.relay", "id": "1"},
    "properties": {
        "delivery_tag": "1",
        "body_encoding": "base64",
        "delivery_info": {"exchange": "", "routing_key": "relay"},
    },
}
JUNK = (b"\x00no JSON\xff", b"[]", b'{"body": 1}', json.dumps(_PICKLED).encode())

_DISCONNECT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class Blows:
    """Each answers how many calls it can have cut off from their record."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.kinds: dict[str, Callable[[], int]] = {
            "kill -9 worker": lambda: self._kill_delivering(scene.family("worker")),
            "kill -9 worker's child": lambda: self._kill_delivering(self._child()),
            "stop a child past its lease": self._stop_child,
            "kill -9 relay": lambda: self._kill("relay"),
            "kill -9 beat": lambda: self._kill("beat"),
            "kill -9 web": lambda: self._kill("web"),
            "kill -9 web's child": self._kill_web_child,
            "kill -9 redis": lambda: self._kill("redis"),
            "flushall": self._flush,
            "redis full": self._fill,
            "junk in the queues": self._junk,
            "freeze redis": lambda: self._freeze("redis"),
            "freeze web": lambda: self._freeze("web"),
            "freeze relay": lambda: self._freeze("relay"),
            "freeze beat": lambda: self._freeze("beat"),
            "freeze worker": lambda: scene.counted(self._pass_some),
            "freeze postgres": self._freeze_postgres,
            "freeze provider": self._freeze_provider,
            "end every connection to postgres": lambda: scene.counted(self._disconnect),
            "kill -9 postgres": lambda: scene.counted(lambda: scene.kill("postgres")),
            "postgres immediate": lambda: scene.counted(
                lambda: scene.kill("postgres", signal.SIGQUIT)
            ),
        }

    def _child(self) -> list[int]:
        return [self._scene.chance.choice(self._scene.children("worker"))]

    def _kill(self, name: str) -> int:
        self._scene.kill(name)
        return 0

    def _kill_delivering(self, victims: list[int]) -> int:
        """Kill the first of the victims; what stands still can be counted, and dies no other."""
        send(signal.SIGSTOP, *victims)
        in_flight = self._scene.open_calls(victims)
        os.kill(victims[0], signal.SIGKILL)
        until(lambda: not any(lives(victim) for victim in victims), RECOVERY_SECONDS)
        return in_flight

    def _stop_child(self) -> int:
        victims = self._child()
        with frozen(*victims):
            in_flight = self._scene.open_calls(victims)
            pass_by(self._scene.lease + GRACE_SECONDS)
        return in_flight

    def _freeze(self, name: str) -> int:
        with frozen(*self._scene.family(name)):
            self._pass_some()
        return 0

    def _pass_some(self) -> None:
        pass_by(self._scene.chance.uniform(1, FROZEN_SECONDS))

    def _freeze_postgres(self) -> int:
        victims = self._scene.family("postgres")
        try:
            in_flight = self._scene.counted(lambda: send(signal.SIGSTOP, *victims))
            pass_by(FROZEN_SECONDS)
        finally:
            send(signal.SIGCONT, *victims)
        return in_flight

    def _freeze_provider(self) -> int:
        """No answer within the time of a call: only those that it may have taken are in doubt."""
        victims = self._scene.family("simulator")
        try:
            in_flight = self._scene.counted(lambda: send(signal.SIGSTOP, *victims))
            pass_by(SILENT_SECONDS)
        finally:
            send(signal.SIGCONT, *victims)
        return in_flight

    def _disconnect(self) -> None:
        with self._scene.instance.database() as database:
            database.execute(_DISCONNECT)

    def _kill_web_child(self) -> int:
        granian = self._scene.children("web")[0]
        victim = self._scene.chance.choice(until(lambda: children(granian), RECOVERY_SECONDS))
        os.kill(victim, signal.SIGKILL)
        return 0

    def _flush(self) -> int:
        with self._scene.redis_client() as client:
            client.flushall()
        return 0

    def _fill(self) -> int:
        """Nothing can be written to it; all goes through."""
        with self._scene.redis_client() as client:
            client.config_set("maxmemory", 1)
            try:
                self._scene.passes()
                self._pass_some()
            finally:
                client.config_set("maxmemory", 0)
        return 0

    def _junk(self) -> int:
        """Among the ticks lies what no Celery ever wrote."""
        with self._scene.redis_client() as client:
            for queue in QUEUES:
                client.lpush(queue, *JUNK)

            def left() -> dict[str, int]:
                waiting = {queue: client.lrange(queue, 0, -1) for queue in QUEUES}
                return {q: len(found) for q, found in waiting.items() if {*found} & {*JUNK}}

            # A child that always finds something due takes its next tick after that time.
            until(lambda: not left(), TICK_SECONDS + RECOVERY_SECONDS)
        return 0
