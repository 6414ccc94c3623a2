"""Preview: what any version of a template says, drafts included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hiram.lib.problems import Problem
from notifications.catalog import working
from notifications.catalog.locales import chosen
from notifications.catalog.parsed import Parsed, parse
from notifications.catalog.rendered import parts_for
from notifications.catalog.versions import latest, numbered, published
from notifications.models import Template, TemplateVersion
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Previewed:
    """The rendered parts, and of what."""

    version: TemplateVersion
    locale: str
    parts: Mapping[str, str]

    @property
    def size(self) -> int:
        """Octets of all parts in UTF-8."""
        return sum(len(part.encode()) for part in self.parts.values())


def preview(
    template: Template, number: int | None, locale: str | None, data: Mapping[str, Any]
) -> Previewed:
    """The version of this number, else the published one, else the latest.

    Raises:
        Problem: 404 for the number, 422 for the data or the text.
        rendering.Unavailable: the renderers are all busy.
    """
    version = (
        numbered(template, number)
        if number is not None
        else published(template) or latest(template)
    )
    tenant = Tenant.objects.only("locale").get(pk=template.tenant_id)
    place = chosen(locale, tenant.locale, version.default_locale, version.locales)
    (made,) = parts_for(
        _parsed(version, place), [(place, data)], owner=str(template.tenant_id), seconds=1.0
    )
    if isinstance(made, list):
        raise Problem("invalid", errors=made)
    return Previewed(version, place, made)


def _parsed(version: TemplateVersion, locale: str) -> Parsed:
    if version.worked is not None:
        return parse(version.pk, version.variables, version.worked)
    around = working.surroundings(version.tenant_id)
    owner = str(version.tenant_id)
    worked = working.worked({locale: version.locales[locale]}, around, owner=owner)
    if isinstance(worked, list):
        raise Problem("invalid", "This version cannot be rendered.", errors=worked)
    return parse(version.pk, version.variables, worked)
