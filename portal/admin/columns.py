"""Columns and filters that the admin classes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from notifications.models import Mode, Notification
from portal.access import Access, access_of
from tenants.models import Tenant

Method = TypeVar("Method", bound=Callable[..., Any])

FILTER_CHOICES = 200


class TenantFilter(admin.SimpleListFilter):
    """Which of the user's tenants; absent where there is only one."""

    title = "tenant"
    parameter_name = "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The user's tenants by name; of very many the first, and the one that is chosen."""
        access = access_of(request)
        if access.is_single:
            return []
        found = {str(pk): name for pk, name in _names(access)[:FILTER_CHOICES]}
        chosen = _uuid(request.GET.get(self.parameter_name))
        if chosen and str(chosen) not in found:
            found |= {str(pk): name for pk, name in _names(access).filter(pk=chosen)}
        return list(found.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The chosen tenant's rows; another's or a malformed id finds nothing."""
        if self.value() is None:
            return queryset
        chosen = _uuid(self.value())
        return queryset.filter(tenant_id=chosen) if chosen else queryset.none()


def tenant_asked_for(request: HttpRequest) -> UUID | None:
    """Which tenant the list is narrowed to, whether or not it is one of the user's."""
    return _uuid(request.GET.get(TenantFilter.parameter_name))


def _names(access: Access) -> QuerySet[Tenant, tuple[UUID, str]]:
    return access.tenants().values_list("pk", "name")


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


def column(
    description: str, *, label: Mapping[str, str] | None = None, header: bool = False
) -> Callable[[Method], Method]:
    """A method as a column. `label` maps its values to the theme's colours; a `header` is two
    lines, of which the first is the main one."""

    def mark(method: Method) -> Method:
        marks = {"short_description": description, "header": header} | (
            {"label": dict(label)} if label else {}
        )
        method.__dict__.update(marks)
        return method

    return mark


def moment(name: str, label: str) -> Any:
    """A column of a time in UTC, short and of one width."""

    @admin.display(description=label, ordering=name, empty_value="-")
    def shown(row: Any) -> str | None:
        at: datetime | None = getattr(row, name)
        if at is None:
            return None
        return format_html(
            '<span class="hiram-moment">{}</span>', at.strftime("%Y-%m-%d %H:%M:%S")
        )

    shown.__name__ = f"{name}_shown"
    return shown


def way(row: Notification) -> str:
    """The channel, and the mode where it is not the usual one."""
    return row.channel if row.mode == Mode.LIVE else f"{row.channel} ({row.mode})"
