"""Deliver: claim due rows into free slots, call the providers, settle what they answered.

One thread talks to PostgreSQL: it claims, begins and settles in small groups. The slots are
threads that only call providers. A slot takes its next row only after its result is durable,
and a slow provider holds slots, never rows: there is no barrier between groups.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeAlias
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from delivery import health, poison, receivers
from delivery.claim import Claim, begin, claim
from delivery.compose import compose
from delivery.crowd import admitted
from delivery.driver import Answer, Failed, Fault, Unknown
from delivery.settle import end, expired, settle, stuck
from delivery.verdict import Result
from delivery.work import Crashed, Shadowed, Stuck, Work
from delivery.worker import release_dead, release_own
from hiram import telemetry
from hiram.lib import ids
from hiram.telemetry import metrics

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 0.1
"""While calls are open and nothing was due, how soon to look for newly due rows if nobody wakes."""

GROUP_SECONDS = 0.02
"""How long a result waits for those of other open calls, to be made durable in one commit.

Of 0 to 0.03 s this delivers most (docs/benchmarks.md); alone, or as the last, it does not wait."""

RECONNECT_SECONDS = 0.5
"""While PostgreSQL is away, how soon to try again."""

Outcome: TypeAlias = Result | poison.Death | None
"""Of a slot's work; None where the row's own process has settled, or nothing is known."""


class Delivery:
    """One process's slots. `run` is for one thread at a time; a second one returns at once."""

    def __init__(self, slots: int) -> None:
        """Make `slots` threads; a fifth of them is kept free for the class high."""
        self._slots = slots
        self._reserved = max(1, slots // 5)
        self._open: set[tuple[UUID, int]] = set()
        self._alone: set[tuple[UUID, int]] = set()
        self._disturbed = False
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="slot")
        self._results: queue.SimpleQueue[tuple[Claim, Outcome] | None] = queue.SimpleQueue()
        self._woken = False
        self._running = threading.Lock()
        self._finishing = False
        self.looked_at = time.monotonic()

    def run(self, *, seconds: float, stopping: Callable[[], bool] = lambda: False) -> int:
        """Deliver until nothing is due; claim no more after `seconds`, or when `stopping`.

        Returns how many calls were settled. All calls are settled when it returns.
        """
        if not self._running.acquire(blocking=False):
            return 0
        try:
            return self._run(time.monotonic() + seconds, stopping)
        finally:
            self._running.release()

    def look(self) -> None:
        """Something is due: a `run` that waits for open calls looks now. From any thread."""
        if not self._woken:
            self._woken = True
            self._results.put(None)

    def finish(self) -> None:
        """Claim no more, and return when all open calls are settled."""
        self._finishing = True
        with self._running:
            return

    def _run(self, until: float, stopping: Callable[[], bool]) -> int:
        settled = 0
        self._release()
        while True:
            self.looked_at = time.monotonic()
            free = self._slots - len(self._open)
            ending = self._finishing or self.looked_at >= until or stopping()
            taken = self._take(free) if free and not ending else 0
            if not self._open and not taken:
                return settled
            if self._open:
                settled += self._finish(LOOK_AGAIN_SECONDS if taken < free else None)

    @staticmethod
    def _release() -> None:
        try:
            release_dead()
        except (OperationalError, InterfaceError) as error:
            _lost(error, "cannot release the leases of the dead")

    @staticmethod
    def _blame(deaths: list[poison.Death]) -> None:
        try:
            poison.blame(deaths)
        except (OperationalError, InterfaceError) as error:
            # It will die again.
            _lost(error, "cannot hold a death against its row")

    @staticmethod
    def _feel(results: list[Result]) -> None:
        try:
            health.feel(results)
            receivers.feel(results)
        except (OperationalError, InterfaceError) as error:
            # The next bad answer will be felt.
            _lost(error, "cannot note a provider's health")

    def _take(self, free: int) -> int:
        """Claim rows and hand them to slots; the number claimed."""
        try:
            if self._disturbed:
                release_own(self._open)
                self._disturbed = False
            claims = claim(free, reserved=self._reserved)
            metrics.claimed(len(claims))
            sound, suspects = poison.sort(claims, poison.ALONE_AT_ONCE - len(self._alone))
            for work, number in prepare(sound):
                self._start(work.claim, partial(call, work, number))
            for suspect in suspects:
                self._alone.add((suspect.id, suspect.fence))
                self._start(suspect, partial(poison.run_alone, suspect))
        except (OperationalError, InterfaceError) as error:
            self._disturbed = True
            _lost(error, "cannot claim")
            return 0
        return len(claims)

    def _start(self, claim: Claim, action: Callable[[], Outcome]) -> None:
        self._open.add((claim.id, claim.fence))
        self._pool.submit(self._act, claim, action)

    def _act(self, claim: Claim, action: Callable[[], Outcome]) -> None:
        result: Outcome = None
        try:
            result = action()
        finally:
            self._results.put((claim, result))

    def _finish(self, wait: float | None) -> int:
        """Settle the results there are, waiting up to `wait` seconds (None: for ever) for one.

        Less long when there is something new to look at.
        """
        ended: list[tuple[Claim, Outcome]] = []
        until = math.inf
        with suppress(queue.Empty):
            while len(ended) < len(self._open):
                one = self._results.get(timeout=wait)
                if one is None:
                    self._woken = False
                    break
                ended.append(one)
                until = min(until, time.monotonic() + GROUP_SECONDS)
                wait = max(0.0, until - time.monotonic())
        if not ended:
            return 0
        settle_for_sure([result for _, result in ended if isinstance(result, Result)])
        self._feel([result for _, result in ended if isinstance(result, Result)])
        self._blame([death for _, death in ended if isinstance(death, poison.Death)])
        over = {(claim.id, claim.fence) for claim, _ in ended}
        self._open -= over
        self._alone -= over
        return len(ended)


def prepare(claims: list[Claim]) -> list[tuple[Work, int]]:
    """The works that may be called now, their attempts committed; the rest is ended or parked."""
    plan = compose([c for c in claims if not c.expired])
    end(
        [*expired(c for c in claims if c.expired), *stuck(s for s in plan if isinstance(s, Stuck))]
    )
    with admitted([work for work in plan if isinstance(work, Work)]) as (works, surplus):
        numbers = begin([work.attempt() for work in works])
    end(stuck(surplus))
    metrics.lease_lost(len(works) - len(numbers))
    return [(work, numbers[work.claim.id]) for work in works if work.claim.id in numbers]


def deliver_claim(claim: Claim) -> None:
    """Deliver one claimed row in this thread."""
    settle_for_sure([call(work, number) for work, number in prepare([claim])])


def call(work: Work, number: int) -> Result:
    """Call the provider once, in this thread."""
    started = time.monotonic()
    answer: Answer | Shadowed | Crashed
    try:
        answer = _traced(work, number)
    except Exception as error:
        # A defect of ours must not stop the lane.
        logger.exception("the driver failed")
        answer = Crashed(f"internal error: {type(error).__name__}")
    return Result(work, answer, time.monotonic() - started)


def _traced(work: Work, number: int) -> Answer | Shadowed:
    held = time.monotonic() - work.claim.taken_at
    if held > settings.LEASE_SECONDS - settings.CALL_SECONDS:
        return Failed(Fault.TRANSIENT, "not called: this worker was stopped for too long")
    with (
        telemetry.consuming(
            work.claim.traceparent,
            notification_id=work.shown,
            attempt=number,
            channel=work.channel,
            tenant_id=ids.show("tnt", work.claim.tenant_id),
        ),
        telemetry.calling(work.driver_name, work.server) as span,
    ):
        answer = work.send(settings.CALL_SECONDS)
        if isinstance(answer, Failed | Unknown):
            span.failed(answer.fault if isinstance(answer, Failed) else "unknown")
        return answer


def settle_for_sure(results: list[Result]) -> None:
    """Settle, trying again as long as PostgreSQL is away: an answer is worth waiting with.

    If this process ends first, the open attempts say that something may have been sent.
    """
    while True:
        try:
            return settle(results)
        except (OperationalError, InterfaceError) as error:
            _lost(error, "cannot settle yet")
            time.sleep(RECONNECT_SECONDS)
        except Exception:
            # A defect of ours, at one of them: it must not take the others' answers along.
            if len(results) == 1:
                logger.exception("cannot settle: %s", results[0].work.claim.id)
                return None
            for result in results:
                settle_for_sure([result])
            return None


def _lost(error: Exception, what: str) -> None:
    """PostgreSQL is away, or was: connect anew at the next use."""
    logger.warning("%s: %s", what, type(error).__name__)
    connection.close()
