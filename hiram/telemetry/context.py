"""What this thread is doing: the span it is in, and the fields its log records carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TypeAlias

from opentelemetry.trace import Span

Fields: TypeAlias = Mapping[str, str]

span: ContextVar[Span | None] = ContextVar("hiram_span", default=None)
fields: ContextVar[Fields | None] = ContextVar("hiram_fields", default=None)


@contextmanager
def bind(**more: object) -> Iterator[None]:
    """Put these fields on every record logged inside, by this thread; None is left out."""
    token = enter(more)
    try:
        yield
    finally:
        fields.reset(token)


def note(**more: object) -> None:
    """Put these fields on the records from here to the end of the enclosing `bind` or scope."""
    enter(more)


def enter(more: Mapping[str, object]) -> Token[Fields | None]:
    """Put these fields on, until the token is given to `fields.reset`."""
    known = {name: str(value) for name, value in more.items() if value is not None}
    return fields.set({**(fields.get() or {}), **known})


def trace() -> Fields:
    """The ids of the trace and the span that this thread is in, in hexadecimal."""
    current = span.get()
    if current is None:
        return {}
    known = current.get_span_context()
    return {"trace_id": f"{known.trace_id:032x}", "span_id": f"{known.span_id:016x}"}
