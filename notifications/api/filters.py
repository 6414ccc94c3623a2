"""The filters of the list of notifications, named like the fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from django.db.models import Q, QuerySet

from hiram.lib import ids, rfc3339
from hiram.lib.pagination import refused
from hiram.lib.problems import FieldError, Problem
from notifications.channel import Category
from notifications.models import Notification
from notifications.record import with_status
from notifications.shelves import channels
from notifications.states import State

METADATA = "metadata."
_AS_SHOWN = ("channel", "recipient", "category", "user_id", "template")
FILTERS = ("status", *_AS_SHOWN, "request_id", "created_after", "created_before")

OPTIONS: dict[str, tuple[str, ...]] = {
    "status": tuple(State),
    "channel": tuple(channels),
    "category": get_args(Category),
}
_MOMENTS = {"created_after": "created_at__gt", "created_before": "created_at__lt"}


def filtered(rows: QuerySet[Notification], filters: Mapping[str, str]) -> QuerySet[Notification]:
    """The rows that pass the query's filters.

    Raises:
        Problem: 400 that names each filter whose value cannot be.
    """
    errors: list[FieldError] = []
    moments = {name: _moment(name, filters[name], errors) for name in _MOMENTS if name in filters}
    for name, options in OPTIONS.items():
        if name in filters and filters[name] not in options:
            text = f"This must be one of {', '.join(options)}."
            errors.append(refused(name, "not_an_option", text))
    fields: dict[str, Any] = {_MOMENTS[name]: moment for name, moment in moments.items()}
    fields |= {n: filters[n] for n in _AS_SHOWN if n in filters}
    if "request_id" in filters:
        fields["request_id"] = _request(filters["request_id"], errors)
    if errors:
        raise Problem("bad-query", errors=errors)
    rows = rows.filter(_labelled(filters), **fields)
    return with_status(rows, State(filters["status"])) if "status" in filters else rows


def _labelled(filters: Mapping[str, str]) -> Q:
    labels = {
        name.removeprefix(METADATA): value
        for name, value in filters.items()
        if name.startswith(METADATA)
    }
    return labelled(labels) if labels else Q()


def labelled(labels: Mapping[str, str]) -> Q:
    """That it has all of these labels, one at least."""
    # The index leaves out empty metadata, which PostgreSQL cannot infer from the first condition.
    return Q(metadata__contains=labels) & ~Q(metadata={})


def _request(value: str, errors: list[FieldError]) -> UUID | None:
    try:
        return ids.parse("req", value)
    except ids.MalformedId as error:
        errors.append(refused("request_id", "invalid", f"{error}."))
        return None


def _moment(name: str, value: str, errors: list[FieldError]) -> datetime | None:
    try:
        return rfc3339.parse(value)
    except ValueError as error:
        errors.append(refused(name, "invalid", f"This {error}."))
        return None
