"""Celery's view of the engine: ticks without content, and a watchdog for when they stay away."""

from __future__ import annotations

import logging
import mmap
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from celery import shared_task
from celery.signals import (
    task_prerun,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, close_old_connections, connection, connections
from kombu.exceptions import KombuError

from delivery import reconcile as reconciling
from delivery.apply import BATCH, apply
from delivery.aside import Aside
from delivery.deliver import Delivery
from delivery.plans import go_by_keys
from delivery.relay import relay as look
from delivery.shelves import drivers
from delivery.wake import Listener, wake
from hiram import telemetry
from notifications.erasure import complete
from notifications.retention import Sweeper

logger = logging.getLogger(__name__)

RELAY_QUEUE = "relay"
DELIVER_QUEUE = "deliver"
TICK_SECONDS = 240
"""How long one tick claims on; then the worker may be recycled."""

WATCHDOG_SECONDS = 5
BEAT_KEY = "hiram:beat"


class _Stopping:
    """A flag shared with the children that are forked later: Celery tells only the parent.

    Without a lock: a child that is killed while it holds one, holds it for ever.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._shared[0] = 1

    def is_set(self) -> bool:
        return self._shared[0] == 1


_stopping = _Stopping()


@lru_cache(maxsize=1)
def delivery() -> Delivery:
    """This process's slots, made at first use: threads do not survive a fork."""
    return Delivery(settings.SLOTS)


@shared_task(name="hiram.relay")
def relay(beat: bool = False) -> None:
    """Look once, and dispatch as many looks as are worth it and not already waiting.

    Beat's tick also has applied what providers have reported, and erased what was kept for long
    enough: a task of its own would cost as much again.
    """
    if beat:
        cache.set(BEAT_KEY, time.time(), timeout=None)
    try:
        looks = look()
        _watched.looked()
        if looks:
            dispatch(looks)
            wake()
        if beat:
            _receipts.ask()
            _sweeping.ask()
    except (DatabaseError, InterfaceError) as error:
        # The next tick looks again.
        logger.warning("cannot look: %s", type(error).__name__)
        connection.close()


class Receipts(Aside):
    """Applies receipts: a storm of them leaves the processors to those who take them in."""

    def __init__(self) -> None:
        """At first use."""
        super().__init__("receipts", lambda: apply() == BATCH)


_receipts = Receipts()
_sweeping = Aside("retention", Sweeper().step)
_erasing = Aside("erasures", lambda: complete() > 0)


def dispatch(looks: int) -> None:
    """Ask the workers for so many looks, less those that they have not begun yet."""
    pool: Any = deliver.app.pool
    try:
        with pool.acquire(block=True) as broker:
            for _ in range(max(0, looks - waiting(broker))):
                deliver.apply_async(expires=120, connection=broker)  # type: ignore[call-arg]
    except (KombuError, *pool.connection.connection_errors) as error:
        # The workers' watchdogs look without being asked.
        logger.warning("cannot dispatch: %s", type(error).__name__)


@shared_task(name="hiram.deliver")
def deliver() -> None:
    """Deliver until nothing is due."""
    delivery().run(seconds=TICK_SECONDS, stopping=_stopping.is_set)


@shared_task(name="hiram.abandon")
def abandon() -> None:
    """See `delivery.reconcile`."""
    reconciling.abandon()


@shared_task(name="hiram.reconcile")
def reconcile() -> None:
    """See `delivery.reconcile` and `notifications.erasure`."""
    reconciling.reconcile()
    _erasing.ask()


def waiting(broker: Any) -> int:
    """How many looks wait in the broker; a queue that is not there yet holds none."""
    try:
        queue = broker.default_channel.queue_declare(DELIVER_QUEUE, passive=True)
    except broker.channel_errors:
        return 0
    return int(queue.message_count)


class Watchdog:
    """Runs `act` when nothing else did for `WATCHDOG_SECONDS`, by this machine's monotonic time.

    With beat, Redis or the broker gone for good, delivery goes on.
    """

    def __init__(self, act: Callable[[], object], looked_at: Callable[[], float]) -> None:
        """`looked_at` is the monotonic time of the last look."""
        self._act = act
        self._looked_at = looked_at

    def start(self) -> None:
        """Watch from a daemon thread of this process."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        while not _stopping.is_set():
            time.sleep(WATCHDOG_SECONDS / 2)
            if time.monotonic() - self._looked_at() < WATCHDOG_SECONDS:
                continue
            try:
                # No task or request does it for this thread: the server may have been restarted.
                close_old_connections()
                self._act()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("watchdog: %s", type(error).__name__)
                connection.close()
            except Exception:
                # The last to look must not be the first to die.
                logger.exception("the watchdog failed")


class _Looked:
    """When the relay of this process last looked, and whether it is one."""

    at = time.monotonic()
    is_relay = False

    def looked(self) -> None:
        self.at = time.monotonic()


_watched = _Looked()


def sweep() -> None:
    """What the relay's process does when no tick comes: the upkeep, without the broker."""
    _watched.looked()
    look()
    _receipts.ask()
    _sweeping.ask()
    reconciling.abandon()


@task_prerun.connect
def _keep_good_connections(**_: Any) -> None:
    """As at the start of a request: what is old or broken is closed, the rest is used again."""
    close_old_connections()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    _stopping.set()


@worker_process_init.connect
def _begin_child(**_: Any) -> None:
    connections.close_all()
    go_by_keys()
    if _watched.is_relay:  # which has no children: it delivers nothing, so nothing delays it
        return
    telemetry.start("worker")
    Listener(lambda: delivery().look()).start()
    Watchdog(
        lambda: delivery().run(seconds=TICK_SECONDS, stopping=_stopping.is_set),
        lambda: delivery().looked_at,
    ).start()


@worker_process_shutdown.connect
def _end_child(**_: Any) -> None:
    # Celery waits for its tasks, not for the calls that the watchdog began.
    delivery().finish()
    telemetry.stop()


@worker_init.connect
def _begin(sender: Any = None, **_: Any) -> None:
    if sender is not None and "relay" in str(getattr(sender, "hostname", "")):
        _watched.is_relay = True
        go_by_keys()
        telemetry.start("relay")
        Watchdog(sweep, lambda: _watched.at).start()
    else:
        # Before the fork, for all children: the vendors' libraries take a second to load.
        len(drivers)
