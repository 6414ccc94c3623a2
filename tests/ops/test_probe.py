"""Asking what may hang."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hiram.ops.probe import Late, Probe
from tests.embedded.waiting import until


def test_many_askers_make_one_look() -> None:
    looks = []
    gate = threading.Event()

    def look() -> int:
        looks.append(1)
        gate.wait()
        return 7

    probe = Probe(look, period=60, patience=5)
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(probe.ask) for _ in range(20)]
        until(lambda: bool(looks))
        gate.set()
        assert [a.result() for a in answers] == [7] * 20
    assert probe.ask() == 7
    assert len(looks) == 1


def test_a_look_is_repeated_after_its_period() -> None:
    looks = itertools.count(1)
    probe = Probe(lambda: next(looks), period=0.05)
    assert probe.ask() == 1
    until(lambda: probe.ask() == 2)


def test_a_hanging_look_costs_the_first_asker_its_patience_and_the_others_nothing() -> None:
    gate = threading.Event()
    before = threading.active_count()
    probe = Probe(gate.wait, period=0, patience=0.2)
    began = time.monotonic()
    with pytest.raises(Late):
        probe.ask()
    assert 0.2 <= time.monotonic() - began < 1
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(Late):
            probe.ask()
    assert time.monotonic() - began < 0.2
    assert threading.active_count() == before + 1
    gate.set()
    until(lambda: threading.active_count() == before)
    assert probe.ask() is True


def test_its_error_is_told_until_the_next_look() -> None:
    answers = [ValueError("first")]

    def look() -> str:
        if answers:
            raise answers.pop()
        return "well"

    probe = Probe(look, period=0.05)
    with pytest.raises(ValueError, match="first"):
        probe.ask()

    def well() -> bool:
        try:
            return probe.ask() == "well"
        except ValueError:
            return False

    until(well)
