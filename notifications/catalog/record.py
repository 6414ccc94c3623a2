"""Templates and versions as they are shown."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from hiram.lib import ids, rfc3339
from notifications.models import Template, TemplateVersion

_NUMBERS = TemplateVersion.objects.filter(
    tenant_id=OuterRef("tenant_id"), template_id=OuterRef("pk")
).order_by("-number")


def listed(rows: QuerySet[Template]) -> QuerySet[Template]:
    """The rows with the numbers that `show` needs, in the same query."""
    return rows.annotate(
        latest_version=Subquery(_NUMBERS.values("number")[:1]),
        published_version=Subquery(_NUMBERS.filter(state="published").values("number")[:1]),
    )


def show(template: Any) -> dict[str, Any]:
    """A template of `listed`: what is sent, or what would be if it were published."""
    published, latest = template.published_version, template.latest_version
    return {
        "id": ids.show("tpl", template.pk),
        "slug": template.slug,
        "channel": template.channel,
        "name": template.name,
        "category": template.category,
        "enabled": template.enabled,
        "disabled_reason": template.disabled_reason or None,
        "system": template.system,
        "version": latest if published is None else published,
        "state": "draft" if published is None else "published",
        "published_version": published,
        "latest_version": latest,
        "created_at": rfc3339.show(template.created_at),
        "updated_at": rfc3339.show(template.updated_at),
    }


def show_whole(template: Template, version: TemplateVersion | None = None) -> dict[str, Any]:
    """A template with the text of this version, or of the one that is shown of it."""
    shown = show(listed(Template.objects.filter(pk=template.pk)).get())
    if version is None:
        version = TemplateVersion.objects.get(
            tenant_id=template.tenant_id, template=template, number=shown["version"]
        )
    return shown | {"version": version.number, "state": version.state} | _text(version)


def show_version(version: TemplateVersion) -> dict[str, Any]:
    """A version with its text."""
    published_at = version.published_at
    return {
        "template_id": ids.show("tpl", version.template_id),
        "version": version.number,
        "state": version.state,
        **_text(version),
        "created_at": rfc3339.show(version.created_at),
        "published_at": rfc3339.show(published_at) if published_at else None,
    }


def _text(version: TemplateVersion) -> dict[str, Any]:
    return {
        "default_locale": version.default_locale,
        "variables": version.variables,
        "locales": version.locales,
    }
