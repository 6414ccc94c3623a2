"""A crew: all is done, in order, by as few threads as can."""

from __future__ import annotations

import threading
from functools import partial

from hiram.lib.crew import Crew
from tests.embedded.waiting import until


def note(done: list[tuple[int, str]], number: int) -> None:
    done.append((number, threading.current_thread().name))


def test_all_is_done_in_the_order_of_the_giving_by_one_thread_if_there_is_one():
    crew = Crew(1, "one")
    done: list[tuple[int, str]] = []
    for number in range(1_000):
        crew.do(partial(note, done, number))
    crew.start()
    until(lambda: len(done) == 1_000)
    assert done == [(number, "one-0") for number in range(1_000)]


def test_little_work_keeps_to_one_thread():
    crew = Crew(8, "few")
    names: set[str] = set()
    crew.start()
    until(lambda: len(crew._resting) == 8)
    for _ in range(100):
        crew.do(lambda: names.add(threading.current_thread().name))
        until(lambda: len(crew._resting) == 8)
    assert len(names) == 1


def test_as_many_work_at_once_as_there_are():
    crew, together = Crew(4, "all"), threading.Barrier(4)
    crew.start()
    over = threading.Semaphore(0)

    def meet() -> None:
        together.wait(10)
        over.release()

    for _ in range(20):
        crew.do(meet)
    assert all(over.acquire(timeout=10) for _ in range(20))


def test_stopped_it_ends_when_nothing_is_left():
    crew, go = Crew(2, "end"), threading.Event()
    done: list[tuple[int, str]] = []
    crew.start()
    crew.do(lambda: note(done, int(go.wait(10))))
    for number in range(50):
        crew.do(partial(note, done, number))
    crew.stop()
    go.set()
    until(lambda: not any(t.name.startswith("end-") for t in threading.enumerate()))
    assert len(done) == 51
