"""A collector: takes OTLP over HTTP (protobuf) and keeps the spans."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan


@dataclass(frozen=True)
class Span:
    """One span, with the resource that made it."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    failed: bool
    began: int
    ended: int

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"


class Receiver:
    """Listens on a free port of 127.0.0.1 until the end of the block."""

    def __init__(self, *, status: int = 200) -> None:
        self.status = status
        self.raw: list[bytes] = []
        self._arrived = threading.Condition()
        self._spans: list[Span] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Request)
        self._server.receiver = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def spans(self, *, trace_id: str | None = None, count: int = 1, seconds: float = 15) -> list[Span]:  # fmt: skip
        """Those of a trace, or all, once there are `count`; oldest first."""
        with self._arrived:

            def found() -> list[Span]:
                return [s for s in self._spans if trace_id in {None, s.trace_id}]

            self._arrived.wait_for(lambda: len(found()) >= count, seconds)
            return sorted(found(), key=lambda s: s.began)

    def take(self, body: bytes) -> None:
        asked = ExportTraceServiceRequest.FromString(body)
        with self._arrived:
            self.raw.append(body)
            for part in asked.resource_spans:
                resource = _values(part.resource.attributes)
                for scope in part.scope_spans:
                    self._spans += [_span(span, resource) for span in scope.spans]
            self._arrived.notify_all()


class _Request(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/traces" and receiver.status == 200:
            receiver.take(body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(receiver.status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Silent."""


def _span(wire: WireSpan, resource: dict[str, Any]) -> Span:
    return Span(
        name=wire.name,
        kind=WireSpan.SpanKind.Name(wire.kind).removeprefix("SPAN_KIND_"),
        trace_id=wire.trace_id.hex(),
        span_id=wire.span_id.hex(),
        parent_id=wire.parent_span_id.hex(),
        attributes=_values(wire.attributes),
        resource=resource,
        failed=wire.status.code == 2,
        began=wire.start_time_unix_nano,
        ended=wire.end_time_unix_nano,
    )


def _values(attributes: Any) -> dict[str, Any]:
    found: list[KeyValue] = list(attributes)
    return {a.key: getattr(a.value, a.value.WhichOneof("value") or "string_value") for a in found}
