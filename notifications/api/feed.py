"""`/v1/events`: what happened, for those who would rather ask than be told."""

from __future__ import annotations

import struct
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.fields.tuple_lookups import TupleGreaterThan
from django.http import HttpRequest, HttpResponse

from hiram.lib import rfc3339
from hiram.lib.pagination import Query, read_query, refused
from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import answer
from hiram.lib.signing import BadToken, sign, unsign
from notifications.api import webhook_docs as docs
from notifications.api.endpoints import OfCaller
from notifications.events import EVENTS, show
from notifications.models import Event, Notification
from tenants.models import Scope

_POSITION = struct.Struct(">Q16s")
_FIRST = (0, UUID(int=0))

FILTERS = ("type", "created_after")


class EventsEndpoint(OfCaller):
    """`/v1/events`."""

    scopes: ClassVar[dict[str, str]] = {"GET": Scope.WEBHOOKS_READ.value}

    @docs.events
    def get(self, request: HttpRequest) -> HttpResponse:
        """One page, oldest first.

        Only what is older than every running transaction: what commits late with an early number
        is still to come, and no cursor may be past it.
        """
        query = read_query(request, *FILTERS)
        purpose = f"events {self.caller.tenant} {self.caller.mode} {sorted(query.filters.items())}"
        position = _read(query.cursor, purpose) if query.cursor else _FIRST
        rows = self._events(query).filter(TupleGreaterThan((F("transaction"), F("id")), position))
        found = list(rows.order_by("transaction", "id")[: query.limit + 1])
        page = found[: query.limit]
        last = (page[-1].transaction, page[-1].pk) if page else position
        told = self.rows.in_bulk({e.notification_id for e in page if e.notification_id})
        return answer(
            {
                "data": [_show(event, told) for event in page],
                "next_cursor": _write(last, purpose),
                "has_more": len(found) > len(page),
            }
        )

    def _events(self, query: Query) -> QuerySet[Event]:
        rows = Event.objects.filter(
            tenant_id=self.caller.tenant_id,
            mode=self.caller.mode,
            transaction__lt=RawSQL("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", ()),
        )
        errors: list[FieldError] = []
        filters: dict[str, Any] = {}
        if "type" in query.filters:
            filters["type"] = query.filters["type"]
            if filters["type"] not in EVENTS:
                errors.append(refused("type", "not_an_option", "There is no such event."))
        if "created_after" in query.filters:
            try:
                filters["created_at__gt"] = rfc3339.parse(query.filters["created_after"])
            except ValueError as error:
                errors.append(refused("created_after", "invalid", f"This {error}."))
        if errors:
            raise Problem("bad-query", errors=errors)
        return rows.filter(**filters)


def _show(event: Event, told: dict[UUID, Notification]) -> dict[str, Any]:
    return show(event, told.get(event.notification_id) if event.notification_id else None)


def _write(position: tuple[int, UUID], purpose: str) -> str:
    packed = _POSITION.pack(position[0], position[1].bytes)
    return sign(packed, secret=settings.SECRET_KEY, purpose=purpose)


def _read(cursor: str, purpose: str) -> tuple[int, UUID]:
    try:
        transaction, key = _POSITION.unpack(
            unsign(cursor, secret=settings.SECRET_KEY, purpose=purpose)
        )
    except BadToken as error:
        text = "This is not a cursor of this list with these filters."
        raise Problem("bad-query", errors=[refused("cursor", "invalid", text)]) from error
    return transaction, UUID(bytes=key)
