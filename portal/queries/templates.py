"""Templates for people to look at: the list, the versions of one, data to try it with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import CharField, F, Func, OuterRef, QuerySet, Subquery

from notifications.catalog.record import listed
from notifications.catalog.text import Text
from notifications.models import Template, TemplateVersion

VERSIONS = 30
"""Of a template that are on one page."""

_SAMPLES: Mapping[str, Any] = {
    "integer": 1, "number": 1, "boolean": True, "array": [], "object": {}, "null": None,
}  # fmt: skip


class _Keys(Func):
    """The names in an object, in their order."""

    template = "(SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(%(expressions)s) k)"
    output_field = ArrayField(CharField())


def with_locales(rows: QuerySet[Template]) -> QuerySet[Template]:
    """The rows with what the list shows, in the same query: numbers, and the locales of what is
    sent, or would be."""
    shown = TemplateVersion.objects.filter(
        tenant_id=OuterRef("tenant_id"), template_id=OuterRef("pk"), number=OuterRef("shown")
    ).annotate(tags=_Keys(F("locales")))
    found = listed(rows).annotate(
        shown=Func(F("published_version"), F("latest_version"), function="COALESCE")
    )
    return found.annotate(tags=Subquery(shown.values("tags")[:1]))


def versions_of(template: Template, before: int | None) -> list[TemplateVersion]:
    """A page of the versions, newest first and without their texts, and the next one."""
    rows = TemplateVersion.objects.filter(tenant_id=template.tenant_id, template=template)
    if before is not None:
        rows = rows.filter(number__lt=before)
    return list(rows.order_by("-number").defer("locales", "variables", "worked")[: VERSIONS + 1])


def sample(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Something for each declared variable: its default, an example, its name."""
    declared = variables.get("properties", {})
    return {name: _sample(name, about) for name, about in declared.items()}


def _sample(name: str, about: Any) -> Any:
    if not isinstance(about, dict):
        return name
    for key in ("default", "const"):
        if key in about:
            return about[key]
    for key in ("examples", "enum"):
        if about.get(key):
            return about[key][0]
    kind = about.get("type")
    return _SAMPLES.get(kind, name) if isinstance(kind, str) else name


def mark(text: Text) -> str:
    """What is another for every other text: so that a page knows which one it showed."""
    said = [dict(text.variables), text.default_locale, dict(text.locales)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def lines(diff: str) -> Iterator[tuple[str, str]]:
    """The lines of a unified diff, each with its kind."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    for line in diff.removesuffix("\n").split("\n"):
        yield kinds.get(line[:1], "same"), line
