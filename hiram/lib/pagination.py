"""Lists in pages, newest first, by signed cursors over (time, id).

A cursor says after which row the next page begins. It holds only for the list it was given for:
the same tenant, mode, endpoint and filters. Rows of equal time are told apart by their id, so
none is lost or repeated between pages; rows that are made meanwhile are newer and disturb nothing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import TupleLessThan
from django.http import HttpRequest

from hiram.lib.findings import MOST as FINDINGS
from hiram.lib.problems import FieldError, Problem, pointer
from hiram.lib.signing import BadToken, sign, unsign

LEAST, DEFAULT, MOST = 1, 50, 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_POSITION = struct.Struct(">q16s")

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Query:
    """What a list was asked for: filters by name, and which page."""

    filters: Mapping[str, str]
    limit: int = DEFAULT
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of one page, and the cursor of the next if there is more."""

    rows: Sequence[Row]
    next_cursor: str | None

    def body(self, show: Callable[[Row], Any]) -> dict[str, Any]:
        """As it is answered."""
        return {
            "data": [show(row) for row in self.rows],
            "next_cursor": self.next_cursor,
            "has_more": self.next_cursor is not None,
        }


def read_parameters(
    request: HttpRequest, *names: str, prefixes: tuple[str, ...] = ()
) -> dict[str, str]:
    """The query parameters, each given at most once and among `names` or begun by a prefix.

    Raises:
        Problem: 400 `bad-query` that names each parameter which is not so.
    """
    if not request.META.get("QUERY_STRING"):
        return {}
    try:
        given = dict(request.GET.lists())
    except SuspiciousOperation as error:
        raise Problem("bad-query", "There are too many query parameters.") from error
    errors = []
    for name, values in given.items():
        begun = any(name.startswith(prefix) and name != prefix for prefix in prefixes)
        if name not in names and not begun:
            errors.append(refused(name, "unknown_parameter", "There is no such parameter here."))
        elif len(values) > 1:
            errors.append(refused(name, "repeated", "This parameter may be given once."))
        elif "\0" in name + values[0]:
            errors.append(refused(name, "invalid", "This must not hold a NUL character."))
    if errors:
        raise Problem("bad-query", errors=errors[:FINDINGS])
    return {name: values[0] for name, values in given.items()}


def read_query(request: HttpRequest, *names: str, prefixes: tuple[str, ...] = ()) -> Query:
    """A list's query: `limit`, `cursor`, and filters as in `read_parameters`.

    Raises:
        Problem: 400 `bad-query`.
    """
    filters = read_parameters(request, "limit", "cursor", *names, prefixes=prefixes)
    cursor = filters.pop("cursor", None)
    limit = filters.pop("limit", str(DEFAULT))
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= 4):
        limit = "0"
    if not LEAST <= int(limit) <= MOST:
        text = f"This must be a whole number from {LEAST} to {MOST}."
        raise Problem("bad-query", errors=[refused("limit", "out_of_range", text)])
    return Query(filters, int(limit), cursor)


def refused(name: str, code: str, detail: str) -> FieldError:
    """What is wrong with one query parameter."""
    return FieldError(pointer(name), code, detail)


def paginate(
    rows: QuerySet[Row], query: Query, *, scope: tuple[str, ...], by: str = "created_at"
) -> Page[Row]:
    """One page of `rows`, which are filtered already and ordered here: newest first.

    `scope` names the list: tenant, mode, endpoint and what else the rows depend on besides the
    query's filters. `by` is the column of times, never null.

    Raises:
        Problem: 400 `bad-query` for a cursor of another list, or one that was not made here.
    """
    purpose = "cursor " + json.dumps([*scope, by, sorted(query.filters.items())])
    ordered = rows.order_by(f"-{by}", "-id")
    if query.cursor is not None:
        position = _read(query.cursor, purpose)
        ordered = ordered.filter(TupleLessThan((F(by), F("id")), position))
    found = list(ordered[: query.limit + 1])
    page = found[: query.limit]
    if len(found) == len(page):
        return Page(page, None)
    return Page(page, _write(getattr(page[-1], by), page[-1].pk, purpose))


def _write(moment: datetime, key: UUID, purpose: str) -> str:
    position = _POSITION.pack((moment - _EPOCH) // _MICROSECOND, key.bytes)
    return sign(position, secret=settings.SECRET_KEY, purpose=purpose)


def _read(cursor: str, purpose: str) -> tuple[datetime, UUID]:
    try:
        position = unsign(cursor, secret=settings.SECRET_KEY, purpose=purpose)
    except BadToken as error:
        text = "This is not a cursor of this list with these filters."
        raise Problem("bad-query", errors=[refused("cursor", "invalid", text)]) from error
    microseconds, key = _POSITION.unpack(position)
    return _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=key)
