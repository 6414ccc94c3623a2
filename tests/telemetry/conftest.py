"""Telemetry as in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from hiram import telemetry
from hiram.telemetry import logs, traces
from tests.telemetry.pipe import Pipe
from tests.telemetry.receiver import Receiver


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def anew() -> Iterator[None]:
    """As in a process that has not begun yet."""
    traces._state.pid = 0
    yield
    telemetry.stop()
    traces._state.pid = 0


@pytest.fixture
def tracing(collector: Receiver, settings: Settings, anew: None) -> Receiver:
    settings.OTLP_ENDPOINT = collector.url
    telemetry.start("test")
    return collector


@pytest.fixture
def silent(settings: Settings, anew: None) -> None:
    settings.OTLP_ENDPOINT = ""
    telemetry.start("test")


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    before = logs._Service.name
    logs.serve_as("hiram")
    made = Pipe()
    yield made
    made.close()
    logs.serve_as(before)
