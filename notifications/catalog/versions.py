"""Versions: drafts that change, and what is published, which never does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now

from hiram.lib import ids
from hiram.lib.problems import FieldError, Problem
from notifications.catalog import declared, working
from notifications.catalog.text import Text
from notifications.catalog.variables import default_flaws
from notifications.catalog.working import Surroundings, under
from notifications.models import Template, TemplateVersion

VERSIONS_MOST = 1_000
ERRORS_MOST = 20
SEEDED = 0
"""The number of a system template's first version; the first of a tenant's own is 1."""

_State = TemplateVersion.State


def text_of(version: TemplateVersion) -> Text:
    """The version's own."""
    return Text(version.variables, version.default_locale, version.locales)


def check(channel: str, text: Text, around: Surroundings, *, owner: str = "") -> None:
    """See that the text can be kept.

    Raises:
        Problem: 422 with a pointer for each finding.
        rendering.Unavailable: the renderers are all busy.
    """
    errors = [under(error, "variables") for error in declared.flaws(text.variables)]
    if not errors:
        errors = [under(error, "variables") for error in default_flaws(text.variables)]
    if text.default_locale not in text.locales:
        detail = "The default locale must be one of the locales."
        errors.append(FieldError("/default_locale", "not_an_option", detail))
    for locale, parts in text.locales.items():
        found = working.shortcomings(channel, parts) or working.syntax(parts, around, owner=owner)
        errors += [under(error, "locales", locale) for error in found]
    if errors:
        raise Problem("invalid", errors=errors[:ERRORS_MOST])


def latest(template: Template) -> TemplateVersion:
    """The version with the highest number; each template has one."""
    return TemplateVersion.objects.filter(tenant_id=template.tenant_id, template=template).latest(
        "number"
    )


def published(template: Template) -> TemplateVersion | None:
    """The one that is sent."""
    return TemplateVersion.objects.filter(
        tenant_id=template.tenant_id, template=template, state=_State.PUBLISHED
    ).first()


def numbered(template: Template, number: int) -> TemplateVersion:
    """The version of this number.

    Raises:
        Problem: 404.
    """
    found = TemplateVersion.objects.filter(
        tenant_id=template.tenant_id, template=template, number=number
    ).first()
    if found is None:
        raise Problem("not-found", f"There is no version {number}.")
    return found


def draft(template: Template, text: Text) -> TemplateVersion:
    """A new version, checked before.

    Raises:
        Problem: 409 when there are too many, 404 when the template is gone.
    """
    with transaction.atomic():
        locked(template.tenant_id, template.pk)
        versions = TemplateVersion.objects.filter(tenant_id=template.tenant_id, template=template)
        last = versions.aggregate(last=Max("number"))["last"] or 0
        if last >= VERSIONS_MOST:
            raise Problem("conflict", f"A template has at most {VERSIONS_MOST} versions.")
        return TemplateVersion.objects.create(
            id=ids.new(),
            tenant_id=template.tenant_id,
            template=template,
            number=last + 1,
            **_columns(text),
        )


def change(version: TemplateVersion, text: Text) -> TemplateVersion:
    """Another text for a draft, checked before.

    Raises:
        Problem: 409 when it is none any more.
    """
    done = TemplateVersion.objects.filter(pk=version.pk, state=_State.DRAFT).update(
        **_columns(text)
    )
    if not done:
        raise Problem("conflict", "Only a draft can be changed; make a new version.")
    version.refresh_from_db()
    return version


def locked(tenant_id: UUID, template_id: UUID) -> Template:
    """The template, whose versions nobody else changes until this transaction ends.

    Raises:
        Problem: 404 when it is gone.
    """
    found = (
        Template.objects.select_for_update().filter(tenant_id=tenant_id, pk=template_id).first()
    )
    if found is None:
        raise Problem("not-found")
    return found


def _columns(text: Text) -> dict[str, Any]:
    return {
        "variables": dict(text.variables),
        "default_locale": text.default_locale,
        "locales": {locale: dict(parts) for locale, parts in text.locales.items()},
    }


def put(template: Template, version: TemplateVersion, worked: Mapping[str, Any]) -> None:
    """Publish this version instead of the one before, which becomes archived.

    Call it within a transaction that has the template locked.
    """
    versions = TemplateVersion.objects.filter(tenant_id=template.tenant_id, template=template)
    versions.filter(state=_State.PUBLISHED).update(state=_State.ARCHIVED)
    versions.filter(pk=version.pk).update(
        state=_State.PUBLISHED, worked=dict(worked), published_at=Now()
    )
    Template.objects.filter(pk=template.pk).update(updated_at=Now())
