"""Wake: what becomes due while a call is open goes out at once, and Redis may come and go."""

from __future__ import annotations

import threading
import time
from functools import partial
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from redis import Redis

from delivery import deliver, tasks, wake
from delivery.deliver import Delivery
from delivery.simulator.server import Simulator
from delivery.wake import Listener
from tests.embedded.waiting import until
from tests.factories import email, post


@pytest.fixture
def redis():
    with Redis.from_url(settings.REDIS_URL) as redis:
        yield redis


@pytest.fixture
def listening(redis, monkeypatch):
    """Whether somebody listens, on a channel of this test's own."""
    channel = f"hiram:due:{uuid4()}"
    monkeypatch.setattr(wake, "CHANNEL", channel)
    return lambda: bool(redis.pubsub_numsub(channel)[0][1])


def subscribers(redis: Redis) -> set[str]:
    return {client["id"] for client in redis.client_list(_type="pubsub")}


def more_than(number: int, simulator: Simulator) -> bool:
    return len(simulator.messages()) > number


@pytest.mark.django_db(transaction=True)
def test_what_becomes_due_while_a_call_is_open_waits_for_no_look(
    tenant, provider, simulator, monkeypatch
):
    monkeypatch.setattr(deliver, "LOOK_AGAIN_SECONDS", 60)
    calling, answered = threading.Event(), threading.Event()
    call = deliver.call

    def slow(work, number):
        if not calling.is_set():
            calling.set()
            answered.wait(60)
        return call(work, number)

    monkeypatch.setattr(deliver, "call", slow)
    slots = Delivery(4)

    def run() -> None:
        try:
            assert slots.run(seconds=60) == 3
        finally:
            connection.close()

    post(tenant, email())
    running = threading.Thread(target=run)
    running.start()
    assert calling.wait(30)
    try:
        for _ in range(2):
            before = len(simulator.messages())
            post(tenant, email())
            slots.look()
            until(partial(more_than, before, simulator), 30)
        assert running.is_alive()
    finally:
        answered.set()
        running.join(30)
    assert len(simulator.messages()) == 3


def test_many_words_are_one_look():
    slots = Delivery(4)
    for _ in range(1_000):
        slots.look()
    assert slots._results.qsize() == 1


def test_the_relay_wakes_the_workers_when_something_is_due(monkeypatch):
    said: list[object] = []
    monkeypatch.setattr(tasks, "look", lambda: 2)
    monkeypatch.setattr(tasks, "dispatch", said.append)
    monkeypatch.setattr(tasks, "wake", lambda: said.append("wake"))
    tasks.relay()
    assert said == [2, "wake"]
    monkeypatch.setattr(tasks, "look", lambda: 0)
    tasks.relay()
    assert said == [2, "wake"]


def test_a_listener_hears_again_after_its_connection_was_lost(redis, listening, monkeypatch):
    monkeypatch.setattr(wake, "AWAY_SECONDS", 0.01)
    heard = threading.Semaphore(0)
    others = subscribers(redis)  # the run's other processes listen at the same server
    Listener(heard.release).start()
    until(listening)
    wake.wake()
    assert heard.acquire(timeout=10)

    mine = subscribers(redis) - others
    assert mine
    for client in mine:
        assert redis.client_kill_filter(_id=client) == 1

    def heard_again() -> bool:
        wake.wake()
        return heard.acquire(timeout=0.05)

    until(listening, 30)
    until(heard_again, 30)


def test_without_redis_nobody_is_woken_and_nothing_is_raised(settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    wake._speaker.cache_clear()
    try:
        before = time.monotonic()
        wake.wake()
        assert time.monotonic() - before < 5
    finally:
        wake._speaker.cache_clear()
