"""Trestleboard's entries, written by operators."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import register
from django.http import HttpRequest

from portal.access import OPERATORS
from portal.admin.columns import column
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.models import Entry

KINDS = {
    "added": "success",
    "changed": "info",
    "deprecated": "warning",
    "removed": "danger",
    "fixed": "info",
    "security": "danger",
}


@register(Entry, site=site)
class EntryAdmin(ScopedAdmin):
    """What CHANGELOG.md brought can be unpublished here; its text comes from the file."""

    tenant_path = None
    who = {"view": OPERATORS, "add": OPERATORS, "change": OPERATORS, "delete": OPERATORS}
    columns = ("title", "kind_shown", "date", "published", "source")
    filters = ("kind", "published", "source")
    search_fields = ("version", "body")
    ordering = ("-date", "-version", "kind")
    fields = ("version", "date", "kind", "body", "published")

    def may(self, request: HttpRequest, verb: str, row: Any = None) -> bool:
        """As everywhere; what the file says again at the next start is not deleted here."""
        of_file = row is not None and row.source == Entry.Source.FILE
        return super().may(request, verb, row) and not (of_file and verb == "delete")

    def get_readonly_fields(self, request: HttpRequest, obj: Entry | None = None) -> list[Any]:
        """The text of what the file says comes from the file."""
        fields = super().get_readonly_fields(request, obj)
        of_file = obj is not None and obj.source == Entry.Source.FILE
        return [*fields, "version", "date", "kind", "body"] if of_file else fields

    @column("entry")
    def title(self, entry: Entry) -> str:
        """The version, or the day where there is none."""
        return entry.version or entry.date.isoformat()

    @column("kind", label=KINDS)
    def kind_shown(self, entry: Entry) -> str:
        """The kind of change."""
        return entry.kind
