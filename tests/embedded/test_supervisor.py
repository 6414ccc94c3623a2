"""The supervisor, with small programs instead of Hiram's."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.embedded.waiting import lives, until

# Says its name, and how it ends: in order at SIGTERM.
POLITE = "trap 'echo bye; exit 0' TERM; echo hello; sleep 1000 & wait; wait"
STUBBORN = "trap 'echo no' TERM; echo hello; while :; do sleep 1000 & wait; done"


class Town:
    """A running supervisor, seen from outside."""

    def __init__(self, home: Path, programs: dict[str, str], stop_seconds: float) -> None:
        self.home = home
        words = [str(home), str(stop_seconds), json.dumps(list(programs.items()))]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded.supervised", *words],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def lines(self, name: str = r"\S+") -> list[str]:
        """What the log has of that name, without times."""
        log = self.home / "log" / "hiram.log"
        text = log.read_text() if log.exists() else ""
        return [m[1] for m in re.finditer(rf"^\S+Z ({name} .*)$", text, re.MULTILINE)]

    def said(self, line: str) -> bool:
        """Whether the log has the line, blanks put together."""
        return line in [" ".join(found.split()) for found in self.lines()]

    def pid(self, name: str) -> int:
        """The pid in the pid file, when the file is there."""
        path = self.home / "run" / f"{name}.pid"
        return int(path.read_text()) if path.exists() else 0

    def end(self) -> None:
        """Stop it and all it runs."""
        for signum in (signal.SIGTERM, signal.SIGKILL):  # at the second it only kills
            self.process.send_signal(signum)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Callable[..., Town]]:
    """Start a supervisor of the named shell texts, and return when all have started."""
    towns: list[Town] = []

    def start(stop_seconds: float = 30, **programs: str) -> Town:
        towns.append(Town(tmp_path, programs, stop_seconds))
        until(lambda: towns[-1].said("up all started"))
        return towns[-1]

    yield start
    for each in towns:
        each.end()


def test_a_killed_program_starts_again_and_the_log_says_so(town):
    here = town(one=POLITE, two=POLITE)
    until(lambda: here.said("one hello") and here.said("two hello"))
    one, two = here.pid("one"), here.pid("two")

    os.kill(one, signal.SIGKILL)
    again = until(lambda: (pid := here.pid("one")) != one and pid)

    until(lambda: here.said(f"up one started (pid {again})"))
    assert here.said(f"up one (pid {one}) was ended by SIGKILL")
    assert here.said("up one starts again in 0.2 s")
    assert here.pid("two") == two


def test_the_delay_doubles_while_it_keeps_failing(town):
    here = town(broken="echo oh; exit 3")

    until(lambda: here.said("up broken starts again in 1.6 s"))

    words = [re.sub(r"\d{2,}", "N", " ".join(line.split())) for line in here.lines("up")]
    assert [w for w in words if w.startswith("up broken starts")] == [
        *(f"up broken starts again in {delay} s" for delay in ("0.2", "0.4", "0.8", "1.6")),
    ]
    assert words.count("up broken (pid N) ended with 3") == 4


def test_what_a_dead_program_leaves_is_ended(town, tmp_path):
    same, own = tmp_path / "same", tmp_path / "own"
    here = town(
        one=f"sleep 1000 & echo $! > {same}; setsid sh -c 'echo $$ > {own}; exec sleep 1000' &"
        " echo hello; wait; wait"
    )
    left = until(lambda: own.exists() and [int(p.read_text() or 0) for p in (same, own)])
    assert all(lives(pid) for pid in left)

    os.kill(here.pid("one"), signal.SIGKILL)

    until(lambda: not any(lives(pid) for pid in left))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_the_last_started_first_and_is_a_success(town, signum):
    here = town(first=POLITE, second=POLITE, third=POLITE)
    until(lambda: all(here.said(f"{name} hello") for name in ("first", "second", "third")))
    pids = [here.pid(name) for name in ("first", "second", "third")]

    here.process.send_signal(signum)

    assert here.process.wait(15) == 0
    assert [" ".join(line.split()) for line in here.lines("up")] == [
        "up all started",
        "up third ended with 0",
        "up second ended with 0",
        "up first ended with 0",
        "up over",
    ]
    assert all(here.said(f"{name} bye") for name in ("first", "second", "third"))
    assert not any(lives(pid) for pid in pids)
    assert list((here.home / "run").glob("*.pid")) == []


def test_the_order_stays_when_one_was_started_again(town):
    here = town(first=POLITE, second=POLITE)
    until(lambda: here.said("first hello"))
    before = here.pid("first")
    os.kill(before, signal.SIGKILL)
    until(lambda: here.pid("first") not in {0, before})
    until(lambda: len(here.lines("first")) == 2 and here.said("second hello"))

    here.process.terminate()

    assert here.process.wait(15) == 0
    assert [" ".join(line.split()) for line in here.lines("up")][-3:] == [
        "up second ended with 0",
        "up first ended with 0",
        "up over",
    ]


def test_who_does_not_stop_in_time_is_killed_and_the_rest_stops_in_order(town):
    here = town(stop_seconds=1, first=POLITE, second=STUBBORN)
    until(lambda: here.said("first hello") and here.said("second hello"))

    here.process.terminate()

    assert here.process.wait(15) == 0
    assert here.said("second no")
    assert here.said("up second did not stop in time: killed")
    assert here.said("first bye")


def test_a_second_signal_kills_at_once(town):
    here = town(stop_seconds=1000, first=STUBBORN, second=STUBBORN)
    until(lambda: here.said("first hello") and here.said("second hello"))

    here.process.send_signal(signal.SIGINT)
    until(lambda: here.said("second no"))
    here.process.send_signal(signal.SIGINT)

    assert here.process.wait(15) == 0


def test_nothing_survives_a_killed_supervisor(town):
    here = town(one="trap '' TERM INT; echo hello; exec sleep 1000", two="exec sleep 1000")
    until(lambda: here.said("one hello"))
    pids = [here.pid("one"), here.pid("two")]

    here.process.kill()

    until(lambda: not any(lives(pid) for pid in pids))


def test_a_flood_a_long_line_and_bytes_that_are_no_text(town):
    here = town(
        one="i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done;"
        r" head -c 200000 /dev/zero | tr '\0' x; echo; printf 'caf\351\n'; printf end; sleep 1000"
    )

    until(lambda: here.said("one caf\N{REPLACEMENT CHARACTER}"))

    said = [" ".join(line.split()) for line in here.lines("one")]
    assert [line for line in said if line.startswith("one line ")] == [
        f"one line {number}" for number in range(2000)
    ]
    assert sum(line.count("x") for line in said) == 200_000
    assert max(map(len, said)) < 140_000


def test_last_words_without_a_line_end_are_kept(town):
    here = town(one="printf 'last words'; exit 1")

    until(lambda: here.said("one last words"))
