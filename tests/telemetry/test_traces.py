"""Spans: whose children they are, and what they say."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hiram import telemetry
from tests.telemetry.begun import (
    PARENT,
    SAMPLED,
    TRACE,
    UNSAMPLED,
    collected,
)
from tests.telemetry.receiver import Receiver


def test_one_trace_from_the_request_to_the_call(tracing: Receiver) -> None:
    with telemetry.serving("POST", SAMPLED) as served:
        kept = telemetry.publishing("ntf_1", "email")
        served.answered("v1/notifications", 202)
    with (
        telemetry.consuming(kept, notification_id="ntf_1", attempt=2, channel="email"),
        telemetry.calling("smtp", "mail.vendor.example") as call,
    ):
        call.failed("transient")
    server, producer, consumer, client = collected(tracing, 4)
    assert [s.trace_id for s in (server, producer, consumer, client)] == [TRACE] * 4
    assert [s.kind for s in (server, producer, consumer, client)] == [
        "SERVER",
        "PRODUCER",
        "CONSUMER",
        "CLIENT",
    ]
    assert server.parent_id == PARENT
    assert producer.parent_id == server.span_id
    assert consumer.parent_id == producer.span_id
    assert client.parent_id == consumer.span_id
    assert kept == producer.traceparent
    assert server.name == "POST v1/notifications"
    assert server.attributes == {
        "http.request.method": "POST",
        "http.route": "v1/notifications",
        "http.response.status_code": 202,
    }
    assert producer.name == "publish email"
    assert producer.attributes == {
        "messaging.system": "hiram",
        "messaging.operation.type": "send",
        "messaging.operation.name": "publish",
        "messaging.destination.name": "email",
        "messaging.message.id": "ntf_1",
    }
    assert consumer.name == "deliver email"
    assert consumer.attributes == {
        "messaging.system": "hiram",
        "messaging.operation.type": "process",
        "messaging.operation.name": "deliver",
        "messaging.destination.name": "email",
        "messaging.message.id": "ntf_1",
        "hiram.attempt.number": 2,
    }
    assert client.name == "send smtp"
    assert client.attributes == {
        "hiram.driver": "smtp",
        "server.address": "mail.vendor.example",
        "error.type": "transient",
    }
    assert [s.failed for s in (server, producer, consumer, client)] == [False] * 3 + [True]


def test_the_resource(tracing: Receiver) -> None:
    with telemetry.serving("GET", None):
        pass
    [span] = collected(tracing, 1)
    assert span.resource["service.name"] == "hiram-test"
    assert re.fullmatch(r"[0-9a-f-]{36}", span.resource["service.instance.id"])
    assert span.resource["service.version"]
    assert span.parent_id == ""


def test_each_of_a_batch_has_its_own_producer(tracing: Receiver) -> None:
    with telemetry.serving("POST", None):
        kept = [telemetry.publishing(f"ntf_{n}", "email") for n in range(1_000)]
    spans = collected(tracing, 1_001)
    [server] = [s for s in spans if s.kind == "SERVER"]
    producers = {s.traceparent: s for s in spans if s.kind == "PRODUCER"}
    assert sorted(producers) == sorted(str(k) for k in kept)
    assert {s.parent_id for s in producers.values()} == {server.span_id}
    assert {s.trace_id for s in spans} == {server.trace_id}


def test_hundreds_open_at_once_in_threads_of_their_own(tracing: Receiver) -> None:
    barrier = threading.Barrier(300)

    def deliver(number: int) -> str | None:
        kept = f"00-{number + 1:032x}-{PARENT}-01"
        with telemetry.consuming(kept, notification_id=f"ntf_{number}", attempt=1, channel="sms"):
            barrier.wait()
            with telemetry.calling("twilio"):
                barrier.wait()
                return telemetry.traceparent()

    with ThreadPoolExecutor(300) as pool:
        seen = list(pool.map(deliver, range(300)))
    spans = collected(tracing, 600)
    for number in range(300):
        mine = [s for s in spans if s.trace_id == f"{number + 1:032x}"]
        [consumer] = [s for s in mine if s.kind == "CONSUMER"]
        [client] = [s for s in mine if s.kind == "CLIENT"]
        assert consumer.attributes["messaging.message.id"] == f"ntf_{number}"
        assert client.parent_id == consumer.span_id
        assert seen[number] == client.traceparent


def test_an_exception_is_named_but_not_quoted(tracing: Receiver) -> None:
    with pytest.raises(ValueError, match="canary"), telemetry.serving("POST", None):
        raise ValueError("canary@mail.example")
    [span] = collected(tracing, 1)
    assert span.failed
    assert span.attributes["error.type"] == "ValueError"
    assert not any(b"canary" in raw for raw in tracing.raw)


@pytest.mark.parametrize(
    ("status", "failed"), [(200, False), (404, False), (500, True), (503, True)]
)
def test_only_our_own_failures_are_errors(tracing: Receiver, status: int, failed: bool) -> None:
    with telemetry.serving("GET", None) as served:
        served.answered("", status)
    [span] = collected(tracing, 1)
    assert span.failed is failed
    assert span.name == "GET"
    assert span.attributes.get("error.type") == (str(status) if failed else None)


def test_nobody_invents_names_for_spans(tracing: Receiver) -> None:
    with telemetry.serving("EVIL", None) as served:
        served.answered("", 405)
    [span] = collected(tracing, 1)
    assert span.name == "_OTHER"


def test_what_the_caller_does_not_sample_is_only_carried_on(tracing: Receiver) -> None:
    with telemetry.serving("POST", UNSAMPLED):
        kept = telemetry.publishing("ntf_1", "email")
        assert kept is not None
    assert kept[:35] == UNSAMPLED[:35]
    assert kept.endswith("-00")
    with (
        telemetry.consuming(kept, notification_id="ntf_1", attempt=1, channel="email"),
        telemetry.calling("smtp"),
    ):
        pass
    telemetry.stop()
    assert tracing.raw == []


def test_outside_of_a_request_a_notification_begins_its_trace(tracing: Receiver) -> None:
    kept = telemetry.publishing("ntf_1", "email")
    [span] = collected(tracing, 1)
    assert kept == span.traceparent
    assert span.parent_id == ""


def test_scopes_end_in_order_also_by_an_exception(silent: None) -> None:
    def fail() -> None:
        with telemetry.serving("GET", SAMPLED), telemetry.calling("smtp"):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert telemetry.traceparent() is None
