"""Counters and durations for Prometheus; no label ever names a tenant or a person.

With `PROMETHEUS_MULTIPROC_DIR` set, every process keeps its values in files there, and
`hiram.ops` shows the sum of all processes. Gauges are not kept: they are read from the database.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from prometheus_client import Counter, Histogram, disable_created_metrics, values


def _host() -> str:
    """This machine and its space of process ids, in letters that a file's name may have."""
    try:
        space = f"-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not a Linux
        space = ""
    return re.sub(r"[^A-Za-z0-9.]", "-", socket.gethostname()) + space


def _process() -> str:
    # Containers that share the folder have the same process ids, so the file names more.
    return f"{HOST}-{os.getpid()}"


HOST = _host()
FOLDER = Path(folder) if (folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR")) else None

if FOLDER is not None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    values.ValueClass = values.MultiProcessValue(process_identifier=_process)  # type: ignore[no-untyped-call]

disable_created_metrics()  # type: ignore[no-untyped-call] # a series a counter that says only when its process began

_ACCEPTED = Counter("hiram_accepted_total", "Notifications accepted.", ["channel", "mode"])
_SETTLED = Counter("hiram_settled_total", "Notifications settled.", ["outcome", "channel"])
_ATTEMPTS = Counter("hiram_attempts_total", "Calls of providers.", ["driver", "outcome"])
_UNKNOWN = Counter(
    "hiram_unknown_outcomes_total", "Calls that may or may not have taken effect.", ["driver"]
)
_CLAIMS = Counter("hiram_claims_total", "Outbox rows claimed.")
_LEASES_LOST = Counter("hiram_leases_lost_total", "Leases that ended before their work did.")
_LOG_DROPPED = Counter(
    "hiram_log_dropped_total", "Log records lost because the log's reader was slow or gone."
)
_RETURNED = Counter("hiram_returned_mails_total", "Mails to return paths.", ["became"])
_SEND = Histogram(
    "hiram_send_duration_seconds",
    "Duration of a provider's call.",
    ["driver"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
_REQUEST = Histogram(
    "hiram_http_request_duration_seconds",
    "Duration of a request by the template of its route.",
    ["method", "route", "status"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def accepted(channel: str, mode: str, n: int = 1) -> None:
    """`n` notifications were accepted: their transaction has committed."""
    _ACCEPTED.labels(channel, mode).inc(n)


def settled(outcome: str, channel: str, n: int = 1) -> None:
    """`n` notifications reached the state `outcome`."""
    _SETTLED.labels(outcome, channel).inc(n)


def attempted(driver: str, outcome: str, seconds: float) -> None:
    """A provider was called, which took `seconds`."""
    _ATTEMPTS.labels(driver, outcome).inc()
    _SEND.labels(driver).observe(seconds)


def unknown_outcome(driver: str, n: int = 1) -> None:
    """`n` calls ended without anybody knowing whether they took effect."""
    _UNKNOWN.labels(driver).inc(n)


def claimed(n: int = 1) -> None:
    """`n` outbox rows were claimed."""
    _CLAIMS.inc(n)


def lease_lost(n: int = 1) -> None:
    """`n` rows were found to belong to another claim by the time their work was done."""
    _LEASES_LOST.inc(n)


def log_dropped(n: int = 1) -> None:
    """`n` log records could not be written."""
    _LOG_DROPPED.inc(n)


def returned(became: str) -> None:
    """A mail to a return path was taken; `became` says whether it was a report."""
    _RETURNED.labels(became).inc()


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """A request was answered; `route` is a template, empty for an unknown path."""
    _REQUEST.labels(method, route, str(status)).observe(seconds)
