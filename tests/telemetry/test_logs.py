"""Lines: what they say, and of what."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from hiram import telemetry
from tests.telemetry.begun import SAMPLED
from tests.telemetry.pipe import Pipe


def test_a_line(pipe: Pipe) -> None:
    before = datetime.now(UTC)
    pipe.logger.warning("%d rows", 3, extra={"rows": 3})
    line = pipe.line()
    at = line.pop("time")
    assert at.endswith("Z")
    assert abs((datetime.fromisoformat(at) - before).total_seconds()) < 5
    assert line == {
        "level": "WARNING",
        "logger": pipe.logger.name,
        "message": "3 rows",
        "service": "hiram",
        "rows": 3,
    }


def test_what_is_bound_is_on_every_line_inside(pipe: Pipe) -> None:
    with telemetry.bind(request_id="r1", tenant_id=None):
        pipe.logger.info("a")
        with telemetry.bind(notification_id="ntf_1", request_id="r2"):
            telemetry.note(tenant_id="tnt_1")
            pipe.logger.info("b")
        pipe.logger.info("c")
    pipe.logger.info("d")
    names = ("request_id", "notification_id", "tenant_id")
    found = [{n: v for n, v in pipe.line().items() if n in names} for _ in "abcd"]
    assert found == [
        {"request_id": "r1"},
        {"request_id": "r2", "notification_id": "ntf_1", "tenant_id": "tnt_1"},
        {"request_id": "r1"},
        {},
    ]


def test_what_is_bound_is_this_threads_own(pipe: Pipe) -> None:
    with telemetry.bind(request_id="mine"):
        other = threading.Thread(target=pipe.logger.info, args=("other",))
        other.start()
        other.join()
    assert "request_id" not in pipe.line()


def test_what_is_bound_cannot_be_overwritten(pipe: Pipe) -> None:
    with telemetry.bind(tenant_id="tnt_1"):
        pipe.logger.info("x", extra={"tenant_id": "tnt_2", "service": "other", "level": "none"})
    line = pipe.line()
    assert (line["tenant_id"], line["service"], line["level"]) == ("tnt_1", "hiram", "INFO")


def test_the_trace_is_named(pipe: Pipe) -> None:
    with telemetry.serving("GET", SAMPLED):
        pipe.logger.info("x")
    line = pipe.line()
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert line["span_id"] == "00f067aa0ba902b7"


def test_a_delivery_names_its_notification(pipe: Pipe) -> None:
    with telemetry.consuming(
        SAMPLED, notification_id="ntf_1", attempt=1, channel="email", tenant_id="tnt_1"
    ):
        pipe.logger.info("x")
    line = pipe.line()
    assert (line["notification_id"], line["tenant_id"]) == ("ntf_1", "tnt_1")
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_an_error_is_one_field(pipe: Pipe) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        pipe.logger.exception("it failed", stack_info=True)
    line = pipe.line()
    assert line["message"] == "it failed"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert "ValueError: two\nlines\nStack (most recent call last):" in line["exception"]


def test_a_forged_line_stays_inside_its_field(pipe: Pipe) -> None:
    pipe.logger.info('x\n{"level": "CRITICAL", "message": "forged"}\r\n')
    assert pipe.line()["message"] == 'x\n{"level": "CRITICAL", "message": "forged"}\\r\n'
    pipe.logger.info("next")
    assert pipe.line()["message"] == "next"
