"""Traces: one W3C trace from the request that was accepted to the call of the provider.

Each notification carries its own trace on its outbox row, so a task that delivers many mixes
none. Names and attributes follow the OpenTelemetry semantic conventions for HTTP and messaging;
what identifies people, and text of any error, is in none of them.

Without an endpoint nothing is recorded, and only a caller's own trace is carried on.
"""

from __future__ import annotations

import atexit
import os
import re
import threading
from contextvars import Token
from types import TracebackType
from typing import Any, TypeAlias

from django.conf import settings
from django.utils.module_loading import import_string
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from hiram.telemetry import context, logs

Attributes: TypeAlias = dict[str, str | int]

_TRACEPARENT = re.compile(
    # https://www.w3.org/TR/trace-context/#traceparent-header; a later version may say more.
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.ASCII | re.DOTALL,
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_STOP_SECONDS = 2.0


class _State:
    """What this process records with."""

    pid = 0
    provider: Any = None
    tracer: Tracer | None = None


_state = _State()


def start(service: str) -> None:
    """Begin recording in this process, if `OTEL_EXPORTER_OTLP_ENDPOINT` is set; once is enough.

    To be called after the last fork: in each web worker and in each Celery child. `service` is
    the process's kind (`web`, `worker`, `relay`, ...), which logs carry from here on too.
    """
    if _state.pid == os.getpid():
        return
    _state.pid = os.getpid()
    logs.serve_as(f"hiram-{service}")
    if not settings.OTLP_ENDPOINT:
        return
    # By its name, because the SDK is heavy and most processes need none of it.
    provider = import_string("hiram.telemetry.export.provider")(service, settings.OTLP_ENDPOINT)
    _state.provider, _state.tracer = provider, provider.get_tracer("hiram")
    atexit.register(stop)


def stop() -> None:
    """Send what was recorded, for at most 2 seconds, and record no more."""
    provider, _state.provider, _state.tracer = _state.provider, None, None
    if provider is None or _state.pid != os.getpid():
        return
    # The library's own wait is 30 s and cannot be set, so it waits in a thread we can leave.
    flush = threading.Thread(target=provider.shutdown, name="spans-flush", daemon=True)
    flush.start()
    flush.join(_STOP_SECONDS)


class Scope:
    """Something being done: a context manager for the thread that does it."""

    __slots__ = ("_fields", "_logs", "_span", "_token")

    def __init__(self, span: Span | None, **fields: str) -> None:
        """`fields` are bound to every log record inside."""
        self._span = span
        self._fields = fields
        self._token: Token[Span | None] | None = None
        self._logs: Token[context.Fields | None] | None = None

    def __enter__(self) -> Scope:
        self._token = context.span.set(self._span)
        if self._fields:
            self._logs = context.enter(self._fields)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._logs is not None:
            context.fields.reset(self._logs)
        if self._token is not None:
            context.span.reset(self._token)
        if self._span is not None:
            if kind is not None:
                self.failed(kind.__qualname__)
            self._span.end()

    def failed(self, fault: str) -> None:
        """It went wrong; `fault` is a word of a small set, never a message."""
        if self._span is not None and self._span.is_recording():
            self._span.set_status(StatusCode.ERROR)
            self._span.set_attribute("error.type", fault)

    def answered(self, route: str, status: int) -> None:
        """What a served request came to: the template of its route, if any, and its status."""
        span = self._span
        if span is None or not span.is_recording():
            return
        if route:
            method = str(getattr(span, "attributes", {}).get("http.request.method", "HTTP"))
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self.failed(str(status))


def serving(method: str, given: str | None) -> Scope:
    """A request is being served (SERVER); `given` is its traceparent header, if it has one."""
    parent = _parse(given)
    tracer = _state.tracer
    if tracer is None:
        return Scope(parent)
    attributes: Attributes = {"http.request.method": known_method(method)}
    return Scope(_begin(tracer, known_method(method), SpanKind.SERVER, parent, attributes))


def known_method(method: str) -> str:
    """The method, or `_OTHER`, so that nobody can invent names for spans and metrics."""
    return method if method in _METHODS else "_OTHER"


def publishing(notification_id: str, channel: str) -> str | None:
    """One notification was accepted (PRODUCER); returns the traceparent to keep with it.

    None when there is no trace. Where the trace is sampled out, it is only carried on.
    """
    parent = context.span.get()
    tracer = _state.tracer
    if tracer is None or (parent is not None and not _sampled(parent)):
        return None if parent is None else _show(parent)
    attributes: Attributes = {
        "messaging.system": "hiram",
        "messaging.operation.type": "send",
        "messaging.operation.name": "publish",
        "messaging.destination.name": channel,
        "messaging.message.id": notification_id,
    }
    span = _begin(tracer, f"publish {channel}", SpanKind.PRODUCER, parent, attributes)
    span.end()
    return _show(span)


def consuming(
    given: str | None, *, notification_id: str, attempt: int, channel: str, tenant_id: str = ""
) -> Scope:
    """One notification is being delivered (CONSUMER); `given` is what `publishing` returned."""
    parent = _parse(given)
    fields = {"notification_id": notification_id}
    if tenant_id:
        fields["tenant_id"] = tenant_id
    tracer = _state.tracer
    if tracer is None:
        return Scope(parent, **fields)
    attributes: Attributes = {
        "messaging.system": "hiram",
        "messaging.operation.type": "process",
        "messaging.operation.name": "deliver",
        "messaging.destination.name": channel,
        "messaging.message.id": notification_id,
        "hiram.attempt.number": attempt,
    }
    return Scope(
        _begin(tracer, f"deliver {channel}", SpanKind.CONSUMER, parent, attributes), **fields
    )


def calling(driver: str, server_address: str | None = None) -> Scope:
    """A provider is being called (CLIENT); `failed` says with which fault the call ended."""
    tracer = _state.tracer
    parent = context.span.get()
    if tracer is None:
        return Scope(parent)
    attributes: Attributes = {"hiram.driver": driver}
    if server_address:
        attributes["server.address"] = server_address
    return Scope(_begin(tracer, f"send {driver}", SpanKind.CLIENT, parent, attributes))


def traceparent() -> str | None:
    """Where this thread stands now, to be handed on; None outside of any trace."""
    span = context.span.get()
    return None if span is None else _show(span)


def _begin(
    tracer: Tracer, name: str, kind: SpanKind, parent: Span | None, attributes: Attributes
) -> Span:
    # An empty context, not the ambient one: a span's parent is only ever the one named here.
    around = set_span_in_context(parent or NonRecordingSpan(_NOWHERE))
    return tracer.start_span(name, context=around, kind=kind, attributes=attributes)


_NOWHERE = SpanContext(0, 0, is_remote=False)


def _parse(given: str | None) -> Span | None:
    if not given:
        return None
    match = _TRACEPARENT.fullmatch(given.strip())
    if match is None or (match["version"] == "00" and match["more"]):
        return None
    return NonRecordingSpan(
        SpanContext(
            int(match["trace"], 16),
            int(match["span"], 16),
            is_remote=True,
            trace_flags=TraceFlags(int(match["flags"], 16) & TraceFlags.SAMPLED),
        )
    )


def _show(span: Span) -> str:
    known = span.get_span_context()
    flags = known.trace_flags & TraceFlags.SAMPLED
    return f"00-{known.trace_id:032x}-{known.span_id:016x}-{flags:02x}"


def _sampled(span: Span) -> bool:
    return bool(span.get_span_context().trace_flags & TraceFlags.SAMPLED)
