"""Receivers of webhooks: away for a while, and such as drop the line once they have a post."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import combinations
from uuid import UUID

from hiram.lib import ids
from tests.chaos.scene import RECOVERY_SECONDS, Scene, pass_by
from tests.embedded.waiting import until

BATCHES, BATCH = 2, 20
DROPS = 5
"""Posts of each receiver that are taken and not answered."""

EVENTS = 3
"""Of a notification that goes through at once: accepted, attempted, sent."""

LATE_SECONDS = 1
"""By how much a post may come later than the rate admitted it."""

_OWED = """
SELECT count(*) FROM notifications_outboxmessage WHERE topic = 'webhook' AND tenant_id = %s
"""
_HASTEN = """
WITH hastened AS (
  UPDATE notifications_outboxmessage SET due_at = now()
   WHERE topic = 'webhook' AND tenant_id = %s AND leased_by IS NULL AND due_at > now() RETURNING id
) SELECT count(*) FROM hastened
"""


class Receivers:
    """Each answers how many posts it can have cut off from their record."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.kinds: dict[str, Callable[[], int]] = {
            "receiver gone, all due when it is back": self._gone,
            "receivers drop what they took": self._drop,
        }

    def _gone(self) -> int:
        """The herd that waits before its door comes in at the rate it asked for."""
        scene, sink = self._scene, self._scene.limited
        in_flight, gone = scene.counted(sink.close), time.monotonic()
        for _ in range(BATCHES):
            scene.accepted(scene.batch(BATCH))
        tenant = ids.parse("tnt", sink.tenant.id)
        waiting = BATCHES * BATCH * EVENTS
        until(lambda: scene.value(_OWED, tenant) >= waiting, RECOVERY_SECONDS)
        pass_by(max(0.0, gone + scene.away - time.monotonic()))
        before = len(sink.came)
        sink.open()
        until(lambda: self._hastened(tenant) == 0, RECOVERY_SECONDS)
        came = [at for at, _ in sink.came[before:]]
        assert len(came) >= waiting
        found = crowds(came, sink.rate or 0)
        assert not found, f"more than {sink.rate} in a second: {found}"
        return in_flight

    def _hastened(self, tenant: UUID) -> int:
        """How many posts are owed, all of which are due."""
        self._scene.value(_HASTEN, tenant)
        return int(self._scene.value(_OWED, tenant))

    def _drop(self) -> int:
        """Each has what it took, and gets it again."""
        sinks = self._scene.sinks
        for sink in sinks:
            sink.drops = DROPS
        until(lambda: not any(sink.drops for sink in sinks if sink.rate is None), RECOVERY_SECONDS)
        for sink in sinks:
            sink.drops = 0
        return DROPS * len(sinks)


def crowds(came: Sequence[float], rate: float) -> list[tuple[float, int]]:
    """Stretches of time in which more came than the rate allows: how long, and how many.

    A bucket holds a second's worth, and those that the workers keep for when Redis does not answer
    in time hold as much again.
    """
    spans = (
        (last - first, n - m + 1) for (m, first), (n, last) in combinations(enumerate(came), 2)
    )
    return [
        (seconds, count) for seconds, count in spans if count > rate * (2 + seconds + LATE_SECONDS)
    ][:3]
