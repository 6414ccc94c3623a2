"""Spans: whose children they are, what they say, and what they cost when nobody collects them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import Settings

from hiram import telemetry
from hiram.telemetry import traces
from tests.telemetry.receiver import Receiver, Span

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def anew() -> Iterator[None]:
    """As in a process that has not begun yet."""
    traces._state.pid = 0
    yield
    telemetry.stop()
    traces._state.pid = 0


@pytest.fixture
def tracing(collector: Receiver, settings: Settings, anew: None) -> Receiver:
    settings.OTLP_ENDPOINT = collector.url
    telemetry.start("test")
    return collector


@pytest.fixture
def silent(settings: Settings, anew: None) -> None:
    settings.OTLP_ENDPOINT = ""
    telemetry.start("test")


def collected(receiver: Receiver, count: int) -> list[Span]:
    telemetry.stop()
    spans = receiver.spans(count=count)
    assert len(spans) == count
    return spans


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


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (SAMPLED, SAMPLED),
        (UNSAMPLED, UNSAMPLED),
        (f"  {SAMPLED} ", SAMPLED),
        (f"00-{TRACE}-{PARENT}-ff", SAMPLED),
        (f"01-{TRACE}-{PARENT}-01-more", SAMPLED),
        (f"cc-{TRACE}-{PARENT}-00", UNSAMPLED),
        (None, None),
        ("", None),
        (f"00-{TRACE}-{PARENT}-01-more", None),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}", None),
        (f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01", None),
        (f"00-{TRACE[:-1]}\u0663-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}-01\r\nX: y", None),
        ("x" * 100_000, None),
    ],
)
def test_without_a_collector_a_callers_trace_is_kept(
    silent: None, given: str | None, kept: str | None
) -> None:
    with telemetry.serving("POST", given):
        assert telemetry.publishing("ntf_1", "email") == kept
        assert telemetry.traceparent() == kept
    assert telemetry.traceparent() is None


def test_without_a_collector_scopes_do_nothing(silent: None) -> None:
    with telemetry.serving("POST", None) as served:
        served.answered("x", 500)
        assert telemetry.publishing("ntf_1", "email") is None
    with (
        telemetry.consuming(None, notification_id="n", attempt=1, channel="email") as consumer,
        telemetry.calling("smtp") as client,
    ):
        consumer.failed("x")
        client.failed("y")


def test_scopes_end_in_order_also_by_an_exception(silent: None) -> None:
    def fail() -> None:
        with telemetry.serving("GET", SAMPLED), telemetry.calling("smtp"):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert telemetry.traceparent() is None


def test_a_collector_that_is_away_delays_nobody(settings: Settings, anew: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        settings.OTLP_ENDPOINT = f"http://127.0.0.1:{unused.getsockname()[1]}"
    telemetry.start("test")
    timed(settings)


def test_a_collector_that_hangs_delays_nobody(settings: Settings, anew: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.OTLP_ENDPOINT = f"http://127.0.0.1:{silent.getsockname()[1]}"
        telemetry.start("test")
        timed(settings)


def test_a_collector_that_fails_delays_nobody(settings: Settings, anew: None) -> None:
    with Receiver(status=503) as failing:
        settings.OTLP_ENDPOINT = failing.url
        telemetry.start("test")
        timed(settings)


def timed(settings: Settings) -> None:
    """More spans than are kept take no time, and the end takes 2 seconds at most."""
    began = time.monotonic()
    slowest = 0.0
    for number in range(20_000):
        before = time.monotonic()
        telemetry.publishing(f"ntf_{number}", "email")
        slowest = max(slowest, time.monotonic() - before)
    assert slowest < 2  # the exporter itself waits 3 seconds
    assert time.monotonic() - began < 20
    began = time.monotonic()
    telemetry.stop()
    assert time.monotonic() - began < 2.5


PROGRAM = """
import django, os, sys
django.setup()
from hiram import telemetry
"""


def run(program: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + program],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "hiram.settings", **environ},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_what_is_off_is_not_loaded() -> None:
    done = run(
        "telemetry.start('web')\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'google.protobuf'))])",
        OTEL_EXPORTER_OTLP_ENDPOINT="",
    )
    assert done.stdout == b"[]\n"


def test_a_forked_child_begins_its_own(collector: Receiver) -> None:
    done = run(
        "telemetry.start('parent')\n"
        "telemetry.publishing('in parent', 'email')\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    telemetry.start('child')\n"
        "    telemetry.start('child')\n"
        "    telemetry.publishing('in child', 'email')\n"
        "    telemetry.stop()\n"
        "    os._exit(0)\n"
        "os.waitpid(pid, 0)\n",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    assert done.returncode == 0, done.stderr
    spans = collector.spans(count=2)
    assert {(s.resource["service.name"], s.attributes["messaging.message.id"]) for s in spans} == {
        ("hiram-parent", "in parent"),
        ("hiram-child", "in child"),
    }
    assert len({s.resource["service.instance.id"] for s in spans}) == 2


def test_complaints_about_the_collector_are_few() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        gone = f"http://127.0.0.1:{unused.getsockname()[1]}"
    done = run(
        "telemetry.start('web')\n"
        "for n in range(40_000): telemetry.publishing('x', 'email')\n"
        "telemetry.stop()",
        OTEL_EXPORTER_OTLP_ENDPOINT=gone,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert 1 <= len([line for line in lines if line["logger"].startswith("opentelemetry")]) <= 2


def test_a_broken_endpoint_does_not_keep_a_process_from_starting() -> None:
    done = run(
        "telemetry.start('web')\ntelemetry.publishing('x', 'email')\ntelemetry.stop()\nprint('up')",
        OTEL_EXPORTER_OTLP_ENDPOINT="nonsense://[",
    )
    assert done.stdout == b"up\n", done.stderr
