"""The Celery application: ticks only, nothing to lose.

Every option has its reason in docs/adr/0002-celery-carries-no-rows.md.
"""

from __future__ import annotations

import sys
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings
from kombu import Connection, Queue

from hiram import broker
from hiram.lib.doorbell import doorbell

DOORBELL_SECONDS = 0.05

_redis = not settings.CELERY_BROKER_URL.startswith("amqp")
_transport: dict[str, Any] = (
    {
        "visibility_timeout": 300,
        "socket_timeout": 3,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "retry_on_timeout": False,
        "max_retries": 0,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
    }
    if _redis
    else {"confirm_publish": True}
)

broker.install()
app = Celery("hiram")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_timeout=2,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_pool_limit=4,
    broker_pool_acquire_timeout=2,
    broker_transport_options=_transport,
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    # Beat keeps one connection: on AMQP only this retry makes a new one of it. Redis' has its own.
    task_publish_retry=not _redis,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0},
    task_create_missing_queues=False,
    task_default_queue="deliver",
    task_queues=[Queue("deliver"), Queue("relay")],
    task_routes={
        "hiram.deliver": {"queue": "deliver"},
        "hiram.*": {"queue": "relay"},
    },
    task_time_limit=600,
    # On Redis the second is the limit. A limit by the first would lose a place with every ack that
    # fails, as when Redis is killed, and with the last one the worker would stand still for good.
    worker_prefetch_multiplier=0 if _redis else 1,
    worker_disable_prefetch=_redis,
    # Celery would connect anew for every task, which costs more than most looks; see `delivery.tasks`.
    CELERY_DB_REUSE_MAX=sys.maxsize,
    worker_max_memory_per_child=400_000,
    worker_proc_alive_timeout=30,
    worker_soft_shutdown_timeout=30,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    beat_scheduler="celery.beat:Scheduler",
    beat_max_loop_interval=1,
    beat_schedule={
        "relay": {
            "task": "hiram.relay",
            "kwargs": {"beat": True},
            "schedule": 1.0,
            "options": {"expires": 120},
        },
        "abandon": {"task": "hiram.abandon", "schedule": 30.0, "options": {"expires": 300}},
        "alert": {"task": "hiram.alert", "schedule": 60.0, "options": {"expires": 300}},
        "warn": {"task": "hiram.warn", "schedule": 60.0, "options": {"expires": 300}},
        "reconcile": {"task": "hiram.reconcile", "schedule": 60.0, "options": {"expires": 300}},
    },
)
app.autodiscover_tasks(["delivery", "portal"])


class Press:
    """Publishes the relay's tick on a connection of its own, with time-outs of 50 ms."""

    def __init__(self) -> None:
        """Connect at the first press."""
        self._connection: Connection | None = None

    def __call__(self) -> None:
        """Publish, or raise what the broker's client raises."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            app.send_task("hiram.relay", connection=self._connection, retry=False, expires=120)
        except Exception:
            self._drop()
            raise

    @staticmethod
    def _connect() -> Connection:
        quick = {"socket_timeout": DOORBELL_SECONDS, "socket_connect_timeout": DOORBELL_SECONDS}
        return Connection(
            settings.CELERY_BROKER_URL,
            connect_timeout=DOORBELL_SECONDS,
            transport_options={**_transport, **(quick if _redis else {})},
        )

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


doorbell.bind(Press())


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery's own set-up would replace the JSON lines of `hiram.settings`."""
