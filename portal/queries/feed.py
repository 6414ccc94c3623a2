"""The list of notifications: newest first out of millions, by index, without counting."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, prefetch_related_objects

from hiram.lib import ids
from notifications.channels.email import address
from notifications.models import Mode, Notification
from notifications.record import show_all

BRANCHES = 30
CLOCKS_APART = timedelta(minutes=10)
"""An id is made by a web process's clock, `created_at` by the database's."""


def page(
    rows: QuerySet[Notification], tenants: list[UUID] | None, mode: str, *, start: int, count: int
) -> list[Notification]:
    """`count` of these rows from `start`, newest first, each with what it `shown`s.

    Rows of few tenants are read along the index by tenant, mode and time, one walk for each pair,
    and merged; otherwise along the ids, which rise with time. `tenants` None means all.
    """
    pairs = list(product(tenants or (), [mode] if mode else Mode.values))
    if rows.query.is_empty() or (tenants is not None and not pairs):
        return []
    if tenants is None or len(pairs) > BRANCHES:
        rows = rows.order_by("-id")
    else:
        newest = rows.order_by("-created_at", "-id")
        first, *others = [newest.filter(tenant_id=t, mode=m)[: start + count] for t, m in pairs]
        rows = first
        if others:
            rows = first.union(*others, all=True).order_by("-created_at", "-id")
    found = list(rows[start : start + count])
    prefetch_related_objects(found, "tenant")
    for row, shown in zip(found, show_all(found), strict=True):
        setattr(row, "shown", shown)  # noqa: B010 - no field of the model
    return found


def search(rows: QuerySet[Notification], term: str) -> QuerySet[Notification]:
    """Rows of this id, to this recipient, or with these words in the subject."""
    term = term.strip()
    if (found := notification_id(term)) is not None:
        return rows.filter(pk=found)
    if term.startswith("ntf_") or "\x00" in term:  # which no text in PostgreSQL has
        return rows.none()
    if "@" in term or term.startswith("+"):
        return rows.filter(recipient__in=_spellings(term))
    return rows.filter(Q(subject__icontains=term) | Q(recipient__icontains=term))


def notification_id(text: str) -> UUID | None:
    """The id that is written `ntf_...` or as a UUID, else None."""
    try:
        return ids.parse("ntf", text)
    except ids.MalformedId:
        pass
    try:
        return UUID(text)
    except ValueError:
        return None


def since(rows: QuerySet[Any], at: datetime) -> QuerySet[Any]:
    """Rows accepted since then, found along the ids too."""
    milliseconds = int((at - CLOCKS_APART).timestamp() * 1000)
    return rows.filter(created_at__gte=at, id__gte=UUID(int=milliseconds << 80))


def _spellings(term: str) -> set[str]:
    try:
        return {term, address(term)}
    except ValueError:
        return {term, term.replace(" ", "")}
