"""Logs, traces and metrics: what Hiram says about itself."""

from __future__ import annotations

from hiram.telemetry import metrics
from hiram.telemetry.context import bind, note
from hiram.telemetry.logs import JsonFormatter, LogWriter
from hiram.telemetry.traces import (
    Scope,
    calling,
    consuming,
    publishing,
    serving,
    start,
    stop,
    traceparent,
)

__all__ = [
    "JsonFormatter",
    "LogWriter",
    "Scope",
    "bind",
    "calling",
    "consuming",
    "metrics",
    "note",
    "publishing",
    "serving",
    "start",
    "stop",
    "traceparent",
]
