"""Sends spans to the collector; loaded only where there is one."""

from __future__ import annotations

import logging
import time
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import hiram

_QUEUED_SPANS = 16_384
_EXPORT_SECONDS = 3
_COMPLAIN_EVERY_SECONDS = 60.0


def provider(service: str, endpoint: str) -> TracerProvider:
    """What makes this process's spans; they leave by OTLP over HTTP, from a thread of their own.

    A collector that is slow or away costs spans, and one line in the log a minute.
    """
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS
    )
    resource = Resource.create(
        {
            "service.name": f"hiram-{service}",
            "service.version": hiram.__version__,
            "service.instance.id": str(uuid4()),
        }
    )
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUED_SPANS))
    return made


class _Seldom(logging.Filter):
    """Lets one record a minute pass."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _COMPLAIN_EVERY_SECONDS
        return True


for complaining in (OTLPSpanExporter.__module__, "opentelemetry.sdk._shared_internal"):
    logging.getLogger(complaining).addFilter(_Seldom())
