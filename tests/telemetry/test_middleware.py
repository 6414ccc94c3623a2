"""Every request, whoever answers it, is named, counted and traced."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from prometheus_client import REGISTRY

from hiram import telemetry
from hiram.telemetry import context
from hiram.telemetry.middleware import Watch
from tests.telemetry.receiver import Receiver

CANARY = "canary4711"


def served(method: str, route: str, status: int) -> float:
    """How many requests were counted."""
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("hiram_http_request_duration_seconds_count", labels) or 0


def test_an_unknown_path(tracing: Receiver) -> None:
    before = served("GET", "", 404)
    said = Client().get(
        f"/v1/{CANARY}?to={CANARY}",
        headers={"X-Api-Key": CANARY, "User-Agent": CANARY, "X-Request-Id": "mine"},
    )
    assert said.status_code == 404
    assert said.headers["X-Request-Id"] == "mine"
    assert served("GET", "", 404) == before + 1
    telemetry.stop()
    [span] = tracing.spans()
    assert (span.name, span.kind, span.failed) == ("GET", "SERVER", False)
    assert span.attributes == {"http.request.method": "GET", "http.response.status_code": 404}
    assert not any(CANARY.encode() in raw for raw in tracing.raw)


def test_a_route_is_named_by_its_template(tracing: Receiver) -> None:
    path = "/v1/notifications/ntf_01HZX0000000000000000000AB"
    before = {k: v for k, v in _routes().items() if "ntf_01" in k}
    said = Client().get(path)
    assert said.status_code == 401
    assert said.headers["X-Request-Id"].startswith("rid_")
    telemetry.stop()
    [span] = tracing.spans()
    assert span.attributes["http.route"].startswith("v1/notifications/<")
    assert span.name == f"GET {span.attributes['http.route']}"
    assert not any(b"ntf_01HZX" in raw for raw in tracing.raw)
    assert {k: v for k, v in _routes().items() if "ntf_01" in k} == before == {}
    assert served("GET", span.attributes["http.route"], 401) >= 1


def _routes() -> dict[str, float]:
    return {
        sample.labels["route"]: sample.value
        for metric in REGISTRY.collect()
        if metric.name == "hiram_http_request_duration_seconds"
        for sample in metric.samples
        if "route" in sample.labels
    }


def test_methods_nobody_knows_are_one() -> None:
    before = served("_OTHER", "", 200)
    for method in ("BREW", "X" * 1_000):
        Watch(lambda request: HttpResponse())(RequestFactory().generic(method, "/"))
    assert served("_OTHER", "", 200) == before + 2


def test_logs_inside_carry_the_request_and_its_trace() -> None:
    seen: dict[str, str] = {}

    def view(request: HttpRequest) -> HttpResponse:
        telemetry.note(tenant_id="tnt_1")
        seen.update({**(context.fields.get() or {}), **context.trace()})
        return HttpResponse()

    logging.getLogger("tests").debug("no request yet")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-00", "X-Request-Id": "r1"}
    Watch(view)(RequestFactory().get("/", headers=headers))
    assert seen == {
        "request_id": "r1",
        "tenant_id": "tnt_1",
        "trace_id": trace,
        "span_id": "00f067aa0ba902b7",
    }
    assert context.fields.get() is None
    assert context.span.get() is None


def test_an_answers_own_request_id_stands() -> None:
    answer = Watch(lambda request: HttpResponse(headers={"X-Request-Id": "own"}))(
        RequestFactory().get("/")
    )
    assert answer.headers["X-Request-Id"] == "own"
