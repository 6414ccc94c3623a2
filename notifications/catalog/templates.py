"""Templates: made, changed, and gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from hiram.lib import ids
from hiram.lib.problems import Problem
from notifications.catalog import working
from notifications.catalog.text import Text
from notifications.catalog.versions import SEEDED, check, draft, latest, locked
from notifications.models import Template, TemplateVersion

TEMPLATES_MOST = 5_000


def create(
    tenant_id: UUID, fields: Mapping[str, Any], text: Text
) -> tuple[Template, TemplateVersion]:
    """A template with its first version, a draft. `fields` are slug, channel, name, category.

    A system template of which the tenant has no version of its own becomes the tenant's: what was
    seeded is sent until this version is published.

    Raises:
        Problem: 409 when the slug is taken on this channel, 422 for the text.
        rendering.Unavailable: the renderers are all busy.
    """
    check(fields["channel"], text, working.surroundings(tenant_id), owner=str(tenant_id))
    if Template.objects.filter(tenant_id=tenant_id).count() >= TEMPLATES_MOST:
        raise Problem("conflict", f"A tenant has at most {TEMPLATES_MOST} templates.")
    try:
        with transaction.atomic():
            template = _made_or_taken_over(tenant_id, fields)
            version = draft(template, text)
    except IntegrityError as error:
        raise _taken(fields) from error
    template.refresh_from_db()
    version.refresh_from_db()
    return template, version


def _made_or_taken_over(tenant_id: UUID, fields: Mapping[str, Any]) -> Template:
    known = Template.objects.filter(
        tenant_id=tenant_id, slug=fields["slug"], channel=fields["channel"]
    ).first()
    if known is None:
        return Template.objects.create(id=ids.new(), tenant_id=tenant_id, **fields)
    row = locked(tenant_id, known.pk)
    if row.system is None or latest(row).number != SEEDED:
        raise _taken(fields)
    Template.objects.filter(pk=row.pk).update(**fields, updated_at=Now())
    return row


def _taken(fields: Mapping[str, Any]) -> Problem:
    taken = f"There is a template {fields['slug']} for {fields['channel']} already."
    return Problem("conflict", taken)


def change(template: Template, given: Mapping[str, Any]) -> Template:
    """Other values for name, category, enabled, disabled_reason.

    Raises:
        Problem: 404 when it is gone.
    """
    if given:
        values = dict(given)
        if given.get("enabled"):
            values["disabled_reason"] = ""
        with transaction.atomic():
            locked(template.tenant_id, template.pk)
            Template.objects.filter(pk=template.pk).update(**values, updated_at=Now())
    template.refresh_from_db()
    return template


def delete(template: Template) -> None:
    """Away with it and its versions; what was accepted has its text already."""
    template.delete()
