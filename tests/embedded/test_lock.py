"""One supervisor a home."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hiram.embedded.home import Home, Unavailable
from hiram.embedded.lock import hold, holder, refuse_if_held

HOLD = (
    "import sys; from pathlib import Path; from hiram.embedded.home import Home;"
    " from hiram.embedded.lock import hold\n"
    "with hold(Home(Path(sys.argv[1]))): print('held', flush=True); sys.stdin.read()"
)


def test_nobody_holds_a_home_that_is_not_there(tmp_path):
    assert holder(Home(tmp_path / "none")) is None
    assert not (tmp_path / "none").exists()


def test_the_second_is_refused_with_the_pid_of_the_first(tmp_path):
    home = Home(tmp_path)
    with hold(home):
        assert holder(home) == os.getpid()
        with (
            pytest.raises(Unavailable, match=rf"already runs in .* \(pid {os.getpid()}\)"),
            hold(home),
        ):
            pass
        with pytest.raises(Unavailable, match=r"manage\.py down"):
            refuse_if_held(home)
        assert holder(home) == os.getpid()

    assert holder(home) is None
    refuse_if_held(home)


def test_two_homes_are_apart(tmp_path):
    with hold(Home(tmp_path / "a")), hold(Home(tmp_path / "b")):
        pass


def test_a_killed_holder_leaves_a_stale_file_that_stops_nobody(tmp_path):
    home = Home(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        assert holder(home) == process.pid
        process.kill()
        process.wait()

    assert (tmp_path / "run" / "up.lock").read_text() == f"{process.pid}\n"
    assert holder(home) is None
    with hold(home):
        assert holder(home) == os.getpid()


def test_a_stale_file_with_the_pid_of_a_living_process(tmp_path):
    home = Home(tmp_path)
    home.make()
    (home.run / "up.lock").write_text("1234567 and more\n")

    with hold(home):
        assert (home.run / "up.lock").read_text() == f"{os.getpid()}\n"
