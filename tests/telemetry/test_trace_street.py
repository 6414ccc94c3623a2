"""One trace from the accepted request to the provider's call, across the real processes."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.delivery import receiver as hooks
from tests.embedded.waiting import until
from tests.street.instance import Instance
from tests.street.processes import children, frozen
from tests.street.tenant import Tenant
from tests.telemetry.receiver import Receiver, Span

pytestmark = pytest.mark.xdist_group("trace")

SECONDS = 30


@dataclass(frozen=True)
class Trace:
    """A caller's own trace."""

    id: str
    span_id: str

    @property
    def header(self) -> str:
        return f"00-{self.id}-{self.span_id}-01"


def begun() -> Trace:
    return Trace(secrets.token_hex(16), secrets.token_hex(8))


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def instance(collector: Receiver) -> Iterator[Instance]:
    with Instance(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="200",
        HIRAM_WORKER_PROCESSES="1",
    ) as running:
        yield running


@pytest.fixture
def tenant(instance: Instance) -> Tenant:
    made = instance.tenant()
    made.provider()
    return made


def chain(spans: list[Span]) -> list[Span]:
    """The spans of one notification from the request on, each the child of the one before."""
    [server] = [s for s in spans if s.kind == "SERVER"]
    found = [server]
    while below := [s for s in spans if s.parent_id == found[-1].span_id]:
        [only] = below
        found.append(only)
    return found


def test_accept_to_send_is_one_trace(tenant: Tenant, collector: Receiver) -> None:
    trace = begun()
    sent = tenant.sent(traceparent=trace.header)
    assert tenant.ended(sent)["status"] == "sent"
    spans = chain(collector.spans(trace_id=trace.id, count=4, seconds=SECONDS))
    assert [(s.kind, s.name, s.resource["service.name"], s.failed) for s in spans] == [
        ("SERVER", "POST v1/notifications", "hiram-web", False),
        ("PRODUCER", "publish email", "hiram-web", False),
        ("CONSUMER", "deliver email", "hiram-worker", False),
        ("CLIENT", "send smtp", "hiram-worker", False),
    ]
    server, producer, consumer, client = spans
    assert server.parent_id == trace.span_id
    assert server.attributes["http.response.status_code"] == 202
    assert producer.attributes["messaging.message.id"] == sent
    assert consumer.attributes["messaging.message.id"] == sent
    assert consumer.attributes["hiram.attempt.number"] == 1
    assert server.began <= producer.began <= consumer.began <= client.began
    assert client.ended <= consumer.ended


def test_two_taken_by_one_task_keep_their_own_traces(tenant: Tenant, collector: Receiver) -> None:
    traces = [begun(), begun()]
    with frozen(*children(tenant.instance.pid("worker"))):
        ids = [tenant.sent(traceparent=trace.header) for trace in traces]
    attempts = [tenant.ended(sent)["attempts"] for sent in ids]
    # Attempts begin when their transaction does: both rows were taken in one claim.
    assert attempts[0][0]["started_at"] == attempts[1][0]["started_at"]
    found = [
        chain(collector.spans(trace_id=trace.id, count=4, seconds=SECONDS)) for trace in traces
    ]
    for spans, sent in zip(found, ids, strict=True):
        assert [s.kind for s in spans] == ["SERVER", "PRODUCER", "CONSUMER", "CLIENT"]
        assert [s.attributes["messaging.message.id"] for s in spans[1:3]] == [sent, sent]
    assert len({spans[3].resource["service.instance.id"] for spans in found}) == 1


def test_a_batch_is_one_trace_with_a_branch_for_each(tenant: Tenant, collector: Receiver) -> None:
    trace = begun()
    letters = [tenant.letter(f"n{number}") for number in range(20)]
    answer = tenant.ask(
        "POST",
        "/v1/notifications/batch",
        {"notifications": letters},
        traceparent=trace.header,
    )
    assert answer.status_code == 202, answer.text
    ids = [item["id"] for item in answer.json()["data"]]
    for sent in ids:
        tenant.ended(sent)
    spans = collector.spans(trace_id=trace.id, count=61, seconds=SECONDS)
    assert len(spans) == 61
    [server] = [s for s in spans if s.kind == "SERVER"]
    producers = {s.span_id: s for s in spans if s.parent_id == server.span_id}
    consumers = [s for s in spans if s.parent_id in producers]
    assert sorted(s.attributes["messaging.message.id"] for s in consumers) == sorted(ids)
    for consumer in consumers:
        producer = producers[consumer.parent_id]
        name = "messaging.message.id"
        assert consumer.attributes[name] == producer.attributes[name]
        assert len([s for s in spans if s.parent_id == consumer.span_id]) == 1


def test_retries_stay_in_the_trace_and_name_their_fault(
    instance: Instance, collector: Receiver
) -> None:
    tenant = instance.tenant()
    body = tenant.mail_provider()
    body["settings"]["port"] = 1
    tenant.provider(**body)
    trace = begun()
    sent = tenant.sent(traceparent=trace.header)
    until(lambda: len(tenant.get(sent)["attempts"]) >= 2, SECONDS)
    spans = collector.spans(trace_id=trace.id, count=6, seconds=SECONDS)
    consumers = [s for s in spans if s.kind == "CONSUMER"]
    clients = [s for s in spans if s.kind == "CLIENT"]
    assert [s.attributes["hiram.attempt.number"] for s in consumers[:2]] == [1, 2]
    assert len({s.parent_id for s in consumers}) == 1
    assert [s.parent_id for s in clients] == [s.span_id for s in consumers]
    assert {s.failed for s in clients} == {True}
    assert {s.attributes["error.type"] for s in clients} == {"transient"}


def test_no_person_and_no_secret_is_in_traces_or_logs(tenant: Tenant, collector: Receiver) -> None:
    canaries = [f"canary{secrets.token_hex(6)}" for _ in range(6)]
    name, subject, body, value, key, query = canaries
    letter = tenant.letter(name, subject=subject, body=body, metadata={"order": value})
    trace = begun()
    sent = tenant.sent(letter, traceparent=trace.header, Idempotency_Key=key)
    tenant.ended(sent)
    tenant.post({**letter, "unknown": value}, traceparent=trace.header)
    tenant.post({**letter, "recipient": f"{name}@nowhere"}, traceparent=trace.header)
    tenant.ask("GET", f"/v1/notifications?recipient={query}@x.example", traceparent=trace.header)
    tenant.ask("GET", f"/v1/{query}", key=f"hk_live_{query}", traceparent=trace.header)
    collector.spans(trace_id=trace.id, count=8, seconds=SECONDS)
    seen = b"".join(collector.raw) + tenant.instance.log().encode()
    for canary in [*canaries, tenant.key, tenant.test_key]:
        assert canary.encode() not in seen
    assert collector.raw


def test_its_webhooks_are_in_its_trace_and_the_receiver_learns_nothing_of_it(
    tenant: Tenant, collector: Receiver
) -> None:
    with hooks.Receiver() as receiver:
        receiver.behave = _first_fails()
        made = tenant.ask("POST", "/v1/webhooks", {"url": receiver.url})
        assert made.status_code == 201, made.text
        trace = begun()
        sent = tenant.sent(traceparent=trace.header)
        # Accepted, attempted and sent, the first of which is posted twice.
        until(lambda: len(receiver.came) >= 4, SECONDS)
        spans = collector.spans(trace_id=trace.id, count=4 + 2 * 4, seconds=SECONDS)
        tested = tenant.ask("POST", f"/v1/webhooks/{made.json()['id']}/test")
        assert tested.status_code == 202, tested.text
        until(lambda: len(receiver.came) >= 5, SECONDS)
        assert tenant.ask("DELETE", f"/v1/webhooks/{made.json()['id']}").status_code == 204
    [producer] = [s for s in spans if s.kind == "PRODUCER"]
    told = [s for s in spans if s.name == "deliver webhook"]
    posts = [s for s in spans if s.name == "send webhook"]
    assert (len(told), {s.parent_id for s in told}) == (4, {producer.span_id})
    assert {s.attributes["messaging.message.id"][:4] for s in told} == {"whd_"}
    assert sorted(s.parent_id for s in posts) == sorted(s.span_id for s in told)
    assert {(s.kind, s.attributes["server.address"]) for s in posts} == {("CLIENT", "127.0.0.1")}
    assert sorted(s.failed for s in posts) == [False, False, False, True]
    assert [s.attributes.get("error.type") for s in posts if s.failed] == ["transient"]
    assert len([s for s in spans if s.attributes.get("messaging.message.id") == sent]) == 2
    for came in receiver.came:
        assert not {name.lower() for name in came.headers} & {"traceparent", "tracestate"}
        assert trace.id not in f"{came.headers} {came.body!r}"


def _first_fails() -> hooks.Behave:
    answers = itertools.chain([500], itertools.repeat(200))
    return lambda handler: hooks.status(next(answers))(handler)
