"""Spans cost nobody anything: without a collector, and with one that is away, hangs or fails."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from pytest_django import Settings

from hiram import telemetry
from tests.telemetry.begun import (
    PARENT,
    SAMPLED,
    TRACE,
    UNSAMPLED,
)
from tests.telemetry.receiver import Receiver


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
    waits = []
    for number in range(20_000):
        before = time.monotonic()
        telemetry.publishing(f"ntf_{number}", "email")
        waits.append(time.monotonic() - before)
    # The exporter itself waits 3 seconds, once for every queue full; the machine may stop us once.
    assert sorted(waits)[-2] < 2
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
