"""Preview: what any version of a template says, drafts and texts not kept yet included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hiram.lib import ids
from hiram.lib.problems import Problem
from notifications.catalog import working
from notifications.catalog.locales import chosen
from notifications.catalog.parsed import Parsed, parse
from notifications.catalog.rendered import parts_for
from notifications.catalog.text import Text
from notifications.catalog.versions import latest, numbered, published, text_of
from notifications.catalog.working import Surroundings
from notifications.models import Template, TemplateVersion
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Said:
    """The rendered parts, and in which locale."""

    locale: str
    parts: Mapping[str, str]

    @property
    def size(self) -> int:
        """Octets of all parts in UTF-8."""
        return sum(len(part.encode()) for part in self.parts.values())


@dataclass(frozen=True, slots=True)
class Previewed(Said):
    """The same, and of which version."""

    version: TemplateVersion


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
    frozen = version.worked
    worked = None if frozen is None else parse(version.pk, version.variables, frozen)
    made = _said(template.tenant_id, text_of(version), locale, data, worked=worked)
    return Previewed(made.locale, made.parts, version)


def preview_text(
    template: Template,
    text: Text,
    around: Surroundings,
    locale: str | None,
    data: Mapping[str, Any],
) -> Said:
    """A text that was checked and is kept nowhere, as a draft with it would say it.

    Raises:
        Problem: 422 for the data or the text.
        rendering.Unavailable: the renderers are all busy.
    """
    return _said(template.tenant_id, text, locale, data, around=around)


def _said(
    tenant_id: UUID,
    text: Text,
    locale: str | None,
    data: Mapping[str, Any],
    *,
    worked: Parsed | None = None,
    around: Surroundings | None = None,
) -> Said:
    tenant = Tenant.objects.only("locale").get(pk=tenant_id)
    place = chosen(locale, tenant.locale, text.default_locale, text.locales)
    version = worked or _parsed(tenant_id, text, place, around)
    (made,) = parts_for(version, [(place, data)], owner=str(tenant_id), seconds=1.0)
    if isinstance(made, list):
        raise Problem("invalid", errors=made)
    return Said(place, made)


def _parsed(tenant_id: UUID, text: Text, locale: str, around: Surroundings | None) -> Parsed:
    """Worked as publishing would, in this locale only."""
    around = around or working.surroundings(tenant_id)
    parts = {locale: text.locales[locale]}
    worked = working.worked(parts, around, owner=str(tenant_id))
    if isinstance(worked, list):
        raise Problem("invalid", "This version cannot be rendered.", errors=worked)
    return parse(ids.new(), text.variables, worked)
