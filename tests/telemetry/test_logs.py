"""Lines: their fields, their writer, and its end when nobody reads."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from hiram import telemetry
from hiram.telemetry import LogWriter, logs
from tests.embedded.waiting import until

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Pipe:
    """A logger whose lines go into a pipe."""

    def __init__(self, lines: int = 10_000) -> None:
        self.reader, self.writer = os.pipe()
        self.handler = LogWriter(self.writer, lines=lines)
        self.handler.setFormatter(telemetry.JsonFormatter())
        self.logger = logging.Logger(f"tests.pipe.{self.reader}")  # noqa: LOG001 - it is nobody else's
        self.logger.addHandler(self.handler)
        self._rest = b""

    def line(self) -> dict[str, Any]:
        """The next line, as it was read."""
        while b"\n" not in self._rest:
            assert select.select([self.reader], [], [], 5)[0], "no line came"
            self._rest += os.read(self.reader, 65_536)
        first, _, self._rest = self._rest.partition(b"\n")
        return dict(json.loads(first))

    def close(self) -> None:
        os.close(self.reader)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    before = logs._Service.name
    logs.serve_as("hiram")
    made = Pipe()
    yield made
    made.close()
    logs.serve_as(before)


def dropped() -> float:
    """What the counter says."""
    value: float = telemetry.metrics._LOG_DROPPED._value.get()
    return value


def test_a_line(pipe: Pipe) -> None:
    before = datetime.now(UTC)
    pipe.logger.warning("%d rows", 3, extra={"rows": 3})
    line = pipe.line()
    at = line.pop("time")
    assert at.endswith("Z")
    assert abs((datetime.fromisoformat(at) - before).total_seconds()) < 5
    assert line == {
        "level": "WARNING",
        "logger": pipe.logger.name,
        "message": "3 rows",
        "service": "hiram",
        "rows": 3,
    }


def test_what_is_bound_is_on_every_line_inside(pipe: Pipe) -> None:
    with telemetry.bind(request_id="r1", tenant_id=None):
        pipe.logger.info("a")
        with telemetry.bind(notification_id="ntf_1", request_id="r2"):
            telemetry.note(tenant_id="tnt_1")
            pipe.logger.info("b")
        pipe.logger.info("c")
    pipe.logger.info("d")
    names = ("request_id", "notification_id", "tenant_id")
    found = [{n: v for n, v in pipe.line().items() if n in names} for _ in "abcd"]
    assert found == [
        {"request_id": "r1"},
        {"request_id": "r2", "notification_id": "ntf_1", "tenant_id": "tnt_1"},
        {"request_id": "r1"},
        {},
    ]


def test_what_is_bound_is_this_threads_own(pipe: Pipe) -> None:
    with telemetry.bind(request_id="mine"):
        other = threading.Thread(target=pipe.logger.info, args=("other",))
        other.start()
        other.join()
    assert "request_id" not in pipe.line()


def test_what_is_bound_cannot_be_overwritten(pipe: Pipe) -> None:
    with telemetry.bind(tenant_id="tnt_1"):
        pipe.logger.info("x", extra={"tenant_id": "tnt_2", "service": "other", "level": "none"})
    line = pipe.line()
    assert (line["tenant_id"], line["service"], line["level"]) == ("tnt_1", "hiram", "INFO")


def test_the_trace_is_named(pipe: Pipe) -> None:
    with telemetry.serving("GET", TRACEPARENT):
        pipe.logger.info("x")
    line = pipe.line()
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert line["span_id"] == "00f067aa0ba902b7"


def test_a_delivery_names_its_notification(pipe: Pipe) -> None:
    with telemetry.consuming(
        TRACEPARENT, notification_id="ntf_1", attempt=1, channel="email", tenant_id="tnt_1"
    ):
        pipe.logger.info("x")
    line = pipe.line()
    assert (line["notification_id"], line["tenant_id"]) == ("ntf_1", "tnt_1")
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_an_error_is_one_field(pipe: Pipe) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        pipe.logger.exception("it failed", stack_info=True)
    line = pipe.line()
    assert line["message"] == "it failed"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert "ValueError: two\nlines\nStack (most recent call last):" in line["exception"]


def test_a_forged_line_stays_inside_its_field(pipe: Pipe) -> None:
    pipe.logger.info('x\n{"level": "CRITICAL", "message": "forged"}\r\n')
    assert pipe.line()["message"] == 'x\n{"level": "CRITICAL", "message": "forged"}\\r\n'
    pipe.logger.info("next")
    assert pipe.line()["message"] == "next"


def test_nobody_waits_for_a_reader_that_does_not_read() -> None:
    pipe = Pipe(lines=100)
    before = dropped()
    began = time.monotonic()
    for number in range(2_000):
        pipe.logger.info("%d %s", number, "xxxxxxxxx " * 100)
    assert time.monotonic() - began < 5
    # The pipe's 64 KiB and the 100 queued lines are kept, the rest is counted though it blocks.
    until(lambda: not pipe.handler._dropped)
    lost = int(dropped() - before)
    assert lost > 1_700
    began = time.monotonic()
    pipe.handler.flush()
    assert time.monotonic() - began < 1.5
    seen = [pipe.line()["message"].split()[0] for _ in range(2_000 - lost)]
    assert seen == [str(n) for n in range(2_000 - lost)]
    pipe.logger.info("again")
    assert pipe.line()["message"] == "again"
    assert dropped() - before == lost
    pipe.close()


def test_a_long_line_arrives_whole(pipe: Pipe) -> None:
    pipe.logger.info("x" * 30_000)
    assert pipe.line()["message"] == "x" * 30_000


def test_a_full_disk_costs_lines_only() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    handler = LogWriter(full)
    logger = logging.Logger("tests.full")  # noqa: LOG001
    logger.addHandler(handler)
    before = dropped()
    for _ in range(10):
        logger.info("x")
    until(lambda: dropped() - before == 10)
    os.close(full)


def test_a_reader_that_went_costs_lines_only() -> None:
    pipe = Pipe()
    pipe.close()
    before = dropped()
    for _ in range(10):
        pipe.logger.info("x")
    until(lambda: dropped() - before == 10)


def test_a_descriptor_made_non_blocking_by_a_neighbour(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    for number in range(300):
        pipe.logger.info("%d %s", number, "x" * 1_000)
    assert [pipe.line()["message"].split()[0] for _ in range(300)] == [str(n) for n in range(300)]


def test_many_threads_mix_no_lines(pipe: Pipe) -> None:
    def log(name: int) -> None:
        for number in range(100):
            pipe.logger.info("%d", number, extra={"thread_number": name, "pad": "y" * 3_000})

    threads = [threading.Thread(target=log, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    seen: dict[int, list[int]] = {name: [] for name in range(8)}
    for _ in range(800):
        line = pipe.line()
        seen[line["thread_number"]].append(int(line["message"]))
    for thread in threads:
        thread.join()
    assert seen == {name: list(range(100)) for name in range(8)}


PROGRAM = """
import django, logging, os, signal, sys, threading
django.setup()
logger = logging.getLogger("tests.program")
"""


def run(program: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + program],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "hiram.settings"},
        capture_output=True,
        timeout=60,
        check=False,
        **options,
    )


def messages(stderr: bytes) -> list[str]:
    return [
        line["message"]
        for line in map(json.loads, stderr.splitlines())
        if line["logger"] == "tests.program"
    ]


def test_the_last_lines_of_a_process_are_written() -> None:
    done = run("for n in range(500): logger.warning('%d', n)")
    assert done.returncode == 0
    assert messages(done.stderr) == [str(n) for n in range(500)]


def test_a_fork_repeats_no_line_and_writes_its_own() -> None:
    done = run(
        "for n in range(200): logger.warning('parent %d', n)\n"
        "pid = os.fork()\n"
        "logger.warning('child' if pid == 0 else 'parent')\n"
        "logging.getLogger().handlers[0].flush()\n"
        "if pid == 0: os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
    )
    found = messages(done.stderr)
    assert sorted(found) == sorted([*(f"parent {n}" for n in range(200)), "child", "parent"])


def test_a_signals_handler_may_log_in_the_middle_of_a_log_call() -> None:
    done = run(
        "count = 0\n"
        "def handle(*_):\n"
        "    global count; count += 1\n"
        "    logger.warning('signal')\n"
        "    if count < 2000: signal.setitimer(signal.ITIMER_REAL, 0.0002)\n"
        "signal.signal(signal.SIGALRM, handle)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.0002)\n"
        "while count < 2000: logger.warning('main')\n"
    )
    assert done.returncode == 0
    assert messages(done.stderr).count("signal") > 1_000


def test_a_process_ends_though_nobody_reads_its_log() -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM
            + "for n in range(2000): logger.warning('%s', 'xxxxxxxxx ' * 100)\nprint('done')",
        ],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "hiram.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_killed_reader_does_not_end_the_process() -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM + "print('up', flush=True)\nsys.stdin.readline()\n"
            "for n in range(100): logger.warning('x')\nprint('done')",
        ],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "hiram.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=writer,
    )
    os.close(writer)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    os.close(reader)
    assert process.communicate(b"\n", timeout=30)[0] == b"done\n"
    assert process.returncode == 0
    assert process.returncode != -signal.SIGPIPE
