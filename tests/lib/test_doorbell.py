"""The doorbell's pauses: short while rings are few, longer while they are many."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hiram.lib.doorbell import MANY_RINGS, REST_MOST_SECONDS, REST_SECONDS, Doorbell


class Over(BaseException):
    """Ends the doorbell's loop."""


class Rests:
    """In the place of its pauses: rings so often in each, and notes how long each would be."""

    def __init__(self, bell: Doorbell, rings: list[int]) -> None:
        self.bell = bell
        self.rings = rings
        self.asked: list[float] = []

    def wait(self, seconds: float) -> None:
        self.asked.append(seconds)
        if not self.rings:
            raise Over
        for _ in range(self.rings.pop(0)):
            self.bell.ring()


def rests(rings: list[int], press: Any = lambda: None) -> list[float]:
    bell = Doorbell()
    bell.bind(press)
    bell._start = lambda: None  # type: ignore[method-assign] # this thread carries
    pauses = Rests(bell, rings)
    bell._silent = pauses  # type: ignore[assignment]
    bell.ring()
    with pytest.raises(Over):
        bell._carry()
    return pauses.asked


def test_a_few_rings_are_carried_as_soon_as_the_first() -> None:
    assert rests([1, MANY_RINGS - 1, 2]) == [REST_SECONDS] * 4


def test_many_rings_make_the_pauses_longer_up_to_the_longest_and_few_make_them_short() -> None:
    many = [MANY_RINGS] * 6
    doubled = [REST_SECONDS * 2**n for n in range(5)]
    assert rests([*many, 1]) == [*doubled, REST_MOST_SECONDS, REST_MOST_SECONDS, REST_SECONDS]


def test_a_press_that_fails_does_not_end_it() -> None:
    presses = []

    def press() -> None:
        presses.append(1)
        raise OSError

    assert len(rests([1, 1], press)) == 3
    assert len(presses) == 3


def test_without_anything_bound_ringing_starts_nothing() -> None:
    before = threading.active_count()
    Doorbell().ring()
    assert threading.active_count() == before
