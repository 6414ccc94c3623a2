"""A caller's trace, and what a collector got."""

from __future__ import annotations

from hiram import telemetry
from tests.telemetry.receiver import Receiver, Span

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"


def collected(receiver: Receiver, count: int) -> list[Span]:
    telemetry.stop()
    spans = receiver.spans(count=count)
    assert len(spans) == count
    return spans
