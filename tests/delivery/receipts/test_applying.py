"""The relay's thread that applies receipts: all that are due, and again after a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError

from delivery import tasks
from delivery.apply import BATCH
from tests.embedded.waiting import until


@pytest.fixture
def applying(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Let `apply` find so many, one look after the other; what it has found so far."""
    found: list[int] = []

    def let(*numbers: int | Exception) -> list[int]:
        looks: Iterator[int | Exception] = iter(numbers)

        def apply() -> int:
            number = next(looks)
            if isinstance(number, Exception):
                found.append(-1)
                raise number
            found.append(number)
            return number

        monkeypatch.setattr(tasks, "apply", apply)
        return found

    return let


def test_a_storm_is_applied_batch_by_batch(applying):
    found = applying(BATCH, BATCH, 3)
    tasks.Receipts().ask()
    until(lambda: found == [BATCH, BATCH, 3])


def test_what_failed_is_tried_at_the_next_tick_by_the_same_thread(applying):
    found = applying(BATCH, OperationalError("away"), 0)
    receipts = tasks.Receipts()
    receipts.ask()
    until(lambda: found == [BATCH, -1])
    receipts.ask()
    until(lambda: found == [BATCH, -1, 0])


def test_a_thread_that_died_of_a_defect_is_replaced(applying, monkeypatch):
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    found = applying(ValueError("a defect"), 0)
    receipts = tasks.Receipts()
    receipts.ask()
    until(lambda: found == [-1] and not (receipts._thread and receipts._thread.is_alive()))
    receipts.ask()
    until(lambda: found == [-1, 0])
