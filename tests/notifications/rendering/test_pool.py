"""The pool: who is served, what its processes can see, and that nothing of them is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from notifications.rendering import Flaw, Pool, Source, Unavailable
from notifications.rendering.process import Renderer

ROOT = Path(__file__).parents[3]
# By its path: to import it from the tests would start their servers.
PARENT = Path(__file__).with_name("parent.py")
BURN = Source({"text": "{% if (1..1000000000000) contains 'x' %}{% endif %}"})
GOOD = Source({"text": "{{ x }}"})


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Of two, both ready."""
    made = Pool(2, patience_seconds=0.3)
    made.start()
    for renderer in made._free:
        renderer.await_ready(10)
    yield made
    made.close()


def pids(pool: Pool) -> set[int]:
    return {renderer.pid for renderer in pool._all}


def seen(pid: int, what: str) -> Path:
    return Path(f"/proc/{pid}/{what}")


def is_gone(pid: int, seconds: float = 5) -> bool:
    """Whether this process, not our child, ends in time."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with open(process):
        return bool(select.select([process], [], [], seconds)[0])


def test_a_renderer_sees_nothing_of_ours(pool: Pool) -> None:
    assert os.environ["PATH"]
    for pid in pids(pool):
        assert seen(pid, "environ").read_bytes() == b"TZ=UTC\0"
        assert seen(pid, "cwd").readlink() == Path("/")
        opened = sorted(str(fd.readlink()) for fd in seen(pid, "fd").iterdir())
        assert [name.partition(":")[0] for name in opened] == [
            "/dev/null", "/dev/null", f"/proc/{pid}/statm", "socket", "socket",
        ]  # fmt: skip


def test_it_starts_before_it_is_used_and_stays(pool: Pool) -> None:
    before = pids(pool)
    assert pool.render(GOOD, [{"x": 1}, {"x": 2}]) == [{"text": "1"}, {"text": "2"}]
    assert pids(pool) == before


def test_one_owner_leaves_a_renderer_to_the_others(pool: Pool) -> None:
    with ThreadPoolExecutor(2) as threads:
        burning = threads.submit(pool.render, BURN, [{}], owner="a")
        wait_until_held(pool, "a")
        with pytest.raises(Unavailable):
            pool.render(GOOD, [{"x": 1}], owner="a")
        assert pool.render(GOOD, [{"x": 1}], owner="b") == [{"text": "1"}]
        assert not burning.done()
        assert [one.code for one in burning.result() if isinstance(one, Flaw)] == [
            "template_too_slow"
        ]


def test_who_waits_is_served_in_turn() -> None:
    pool = Pool(2, patience_seconds=10)
    with ThreadPoolExecutor(8) as threads:
        made = list(
            threads.map(lambda n: pool.render(GOOD, [{"x": n}], owner=str(n % 3)), range(100))
        )
    assert made == [[{"text": str(n)}] for n in range(100)]
    assert not pool._held
    assert not pool._waiting
    pool.close()


def test_one_that_is_killed_is_replaced(pool: Pool) -> None:
    victim, other = pool._all
    os.kill(victim.pid, signal.SIGKILL)
    assert is_gone_or_zombie(victim.pid)
    assert pool.render(GOOD, [{"x": 1}]) == [{"text": "1"}]
    assert victim.pid not in pids(pool)
    assert other.pid in pids(pool)
    assert len(pids(pool)) == 2
    assert not seen(victim.pid, "stat").exists()


def test_a_death_in_the_middle_is_a_flaw_and_no_more(pool: Pool) -> None:
    with ThreadPoolExecutor(1) as threads:
        burning = threads.submit(pool.render, BURN, [{}], owner="a")
        wait_until_held(pool, "a")
        (busy,) = pool._all - set(pool._free)
        os.kill(busy.pid, signal.SIGKILL)
        assert burning.result() == [
            Flaw("", None, None, "template_limit", "the renderer gave up on it")
        ]
    assert pool.render(GOOD, [{"x": 1}], owner="a") == [{"text": "1"}]


def test_an_evicted_source_is_sent_again() -> None:
    pool = Pool(1)
    sources = [Source({"text": f"{number}{{{{ x }}}}"}) for number in range(300)]
    for _ in range(2):
        assert [pool.render(source, [{"x": "."}])[0] for source in sources] == [
            {"text": f"{number}."} for number in range(300)
        ]
    pool.close()


def test_nothing_is_left_when_it_is_closed(pool: Pool) -> None:
    were = pids(pool)
    pool.close()
    assert [pid for pid in were if seen(pid, "stat").exists()] == []
    pool.close()
    assert pool.render(GOOD, [{"x": 1}]) == [{"text": "1"}]


def test_it_ends_when_its_parent_is_killed() -> None:
    """Even one that is busy, to whom nobody can say so."""
    with subprocess.Popen(
        [sys.executable, PARENT, "burn"],
        stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)},
    ) as parent:  # fmt: skip
        assert parent.stdout
        renderers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(renderers) == 2
    assert [pid for pid in renderers if not is_gone(pid)] == []


def test_a_fork_has_renderers_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, PARENT, "fork"],
        capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=True,
        timeout=30,
    )  # fmt: skip
    words = done.stdout.split()
    assert words[:4] == ["parent", "child", "apart", "parent"]
    assert done.stderr == ""
    assert [pid for pid in map(int, words[4:]) if not is_gone(pid)] == []


def test_one_that_does_not_start_is_no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "notifications.rendering.process._COMMAND", [sys.executable, "-c", "raise SystemExit(3)"]
    )
    pool = Pool(1, patience_seconds=0.1)
    with pytest.raises(Unavailable):
        pool.render(GOOD, [{"x": 1}])
    pool.close()


def test_starts_in_little_time_and_memory() -> None:
    began = time.monotonic()
    renderer = Renderer()
    renderer.await_ready(10)
    took = time.monotonic() - began
    resident = int(seen(renderer.pid, "statm").read_text().split()[1]) * 4096
    renderer.end()
    assert took < 5  # 0.1 on a quiet machine
    assert resident < 32 * 1024 * 1024


def wait_until_held(pool: Pool, owner: str) -> None:
    with pool._changed:
        assert pool._changed.wait_for(lambda: pool._held[owner], 5)


def is_gone_or_zombie(pid: int) -> bool:
    """Whether our child has ended; reaping it is the pool's part."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT) is not None


def test_threads_are_not_in_each_others_way(pool: Pool) -> None:
    barrier = threading.Barrier(2)

    def use(owner: str) -> None:
        barrier.wait()
        for n in range(50):
            assert pool.render(GOOD, [{"x": f"{owner}{n}"}], owner=owner) == [
                {"text": f"{owner}{n}"}
            ]

    with ThreadPoolExecutor(2) as threads:
        for one in [threads.submit(use, owner) for owner in "ab"]:
            one.result()
