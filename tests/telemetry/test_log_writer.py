"""The writer of lines: it keeps nobody waiting, whatever becomes of its reader."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from hiram.telemetry import LogWriter
from tests.embedded.waiting import until
from tests.telemetry.pipe import Pipe, dropped


def test_nobody_waits_for_a_reader_that_does_not_read() -> None:
    pipe = Pipe(lines=20)
    before = dropped()
    began = time.monotonic()
    for number in range(400):
        pipe.logger.info("%d %s", number, "xxxxxxxxx " * 600)
    assert time.monotonic() - began < 15
    # The pipe's 64 KiB and the 20 queued lines are kept, the rest is counted though it blocks.
    until(lambda: not pipe.handler._dropped)
    lost = int(dropped() - before)
    assert lost > 340
    began = time.monotonic()
    pipe.handler.flush()
    assert time.monotonic() - began < 1.5
    seen = [int(pipe.line()["message"].split()[0]) for _ in range(400 - lost)]
    assert seen == sorted(set(seen))
    assert seen[:20] == list(range(20))
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
