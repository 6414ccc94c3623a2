"""Junk in a queue of Redis costs no worker: what stands behind it is taken all the same."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from kombu import Connection, Queue

from hiram.celery import app

JUNK = {
    "no text": b"\x00\xff",
    "no JSON": b"no JSON",
    "nothing": b"",
    "number": b"1",
    "null": b"null",
    "list": b"[]",
    "empty": b"{}",
    "no properties": b'{"body": 1}',
    "odd properties": b'{"body": "e30=", "properties": []}',
    "no tag": b'{"body": "e30=", "headers": {}, "properties": {"delivery_info": {}}}',
    "odd base64": json.dumps(
        {"body": "e", "headers": {}, "content-type": "application/json",
         "content-encoding": "utf-8",
         "properties": {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "base64"}}
    ).encode(),
    "odd type": b'{"__type__": "uuid", "__value__": 1}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
}  # fmt: skip


@pytest.fixture
def queue() -> Iterator[Queue]:
    name = f"junk-{uuid.uuid4()}"
    yield Queue(name)
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as client:
        client.delete(name, f"_kombu.binding.{name}", f"_kombu.binding_permanent.{name}")


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_what_stands_behind_junk_is_taken(junk: bytes, queue: Queue) -> None:
    taken = []

    def take(body: object, message: object) -> None:
        taken.append(body)
        message.ack()  # type: ignore[attr-defined]

    with (
        Connection(settings.CELERY_BROKER_URL, transport_options=app.conf.broker_transport_options)
        as broker,
        redis.Redis.from_url(settings.CELERY_BROKER_URL) as client,
    ):  # fmt: skip
        queue = queue(broker.default_channel)
        queue.declare()
        client.lpush(queue.name, junk)
        with broker.Producer() as producer:
            producer.publish({"number": 7}, routing_key=queue.name)
        assert client.llen(queue.name) == 2
        with broker.Consumer(queue, callbacks=[take], accept=["json"], on_decode_error=_drop):
            while not taken:
                broker.drain_events(timeout=5)
        assert taken == [{"number": 7}]
        assert client.llen(queue.name) == 0


def _drop(message: object, error: Exception) -> None:
    message.ack()  # type: ignore[attr-defined]
