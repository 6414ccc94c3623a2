"""Outages: what Hiram needs is away or full for a while, and each has its own check of recovery."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from tests.chaos.scene import RECOVERY_SECONDS, Scene, pass_by
from tests.embedded.waiting import until

CUTS = 20
DRAINED_SECONDS = 60
WITHOUT_CONNECTIONS_SECONDS = 3
NAME = "the nemesis"

_DISCONNECT_OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND application_name <> %s
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND application_name <> %s
"""
_OPENED = "SELECT count(*) FROM delivery_providerhealth WHERE open_until IS NOT NULL"
_NEXT = "SELECT nextval('notifications_outbox_seq')"
_NOW = "SELECT clock_timestamp()"
# What was accepted in between and is still owed, but for what a lost answer, or a refusal after it,
# makes wait.
_OWED_BETWEEN = """
SELECT count(*) FROM notifications_outboxmessage o
 WHERE o.seq BETWEEN %s AND %s
   AND NOT EXISTS (SELECT FROM notifications_attempt a
                    WHERE a.subject_id = o.id
                      AND (a.outcome IN ('unknown', 'abandoned')
                           OR a.outcome = 'refused' AND a.started_at > %s))
"""


class Outages:
    """Each answers how many calls it can have cut off from their record."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.kinds: dict[str, Callable[[], int]] = {
            "redis gone": self._redis_gone,
            "postgres out of connections": self._no_connections,
            "provider cuts after it accepted": self._cut,
            "provider refuses everything": self._refuse,
        }

    def _redis_gone(self) -> int:
        """While it is away, too, all goes through."""
        with self._scene.instance.gone("redis"):
            _, delivered = self._scene.passes()
            pass_by(self._scene.away - delivered)
            self._scene.passes()
        return 0

    def _no_connections(self) -> int:
        """All that PostgreSQL has are held by somebody who does nothing with them."""
        url = self._scene.instance.environment("DATABASE_URL")
        with ExitStack() as held:

            def take() -> psycopg.Connection[object]:
                return held.enter_context(
                    psycopg.connect(url, autocommit=True, application_name=NAME)
                )

            first = take()

            def others_are_out() -> bool:
                """They come back at once, but each place that we win from them stays ours."""
                try:
                    while True:
                        take()
                except psycopg.OperationalError:
                    left = first.execute(_OTHERS, [NAME]).fetchone()
                    first.execute(_DISCONNECT_OTHERS, [NAME])
                return left == (0,)

            in_flight = self._scene.counted(lambda: until(others_are_out, RECOVERY_SECONDS))
            refused = self._scene.refused()
            pass_by(WITHOUT_CONNECTIONS_SECONDS)
        self._scene.passes(refused)
        return in_flight

    def _cut(self) -> int:
        """Each of these answers is lost: as many may arrive twice."""
        mailbox = self._scene.instance.mailbox
        cut = {"target": "smtp", "kind": "cut_after_accept", "times": CUTS}
        with mailbox.ordered(**cut) as order:
            until(lambda: mailbox.applied(order) == CUTS, RECOVERY_SECONDS)
        return CUTS

    def _refuse(self) -> int:
        """Breakers open; all that came meanwhile has gone within a minute after it is back."""
        scene = self._scene
        refusal = {"target": "smtp", "kind": "status", "phase": "mail", "code": 451}
        begun = scene.value(_NEXT)
        with scene.instance.mailbox.ordered(**refusal, enhanced="4.3.2"):
            until(lambda: scene.value(_OPENED), RECOVERY_SECONDS)
            pass_by(scene.away / 4)
        back_at, ended = scene.value(_NOW), scene.value(_NEXT)
        scene.passes()
        until(lambda: scene.value(_OWED_BETWEEN, begun, ended, back_at) == 0, DRAINED_SECONDS)
        until(lambda: scene.value(_OPENED) == 0, DRAINED_SECONDS)
        return 0
