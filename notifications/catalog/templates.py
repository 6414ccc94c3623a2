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
from notifications.catalog.versions import check, locked
from notifications.models import Template, TemplateVersion

TEMPLATES_MOST = 5_000


def create(
    tenant_id: UUID, fields: Mapping[str, Any], text: Text
) -> tuple[Template, TemplateVersion]:
    """A template with its first version, a draft. `fields` are slug, channel, name, category.

    Raises:
        Problem: 409 when the slug is taken on this channel, 422 for the text.
        rendering.Unavailable: the renderers are all busy.
    """
    check(fields["channel"], text, working.surroundings(tenant_id))
    if Template.objects.filter(tenant_id=tenant_id).count() >= TEMPLATES_MOST:
        raise Problem("conflict", f"A tenant has at most {TEMPLATES_MOST} templates.")
    template = Template(id=ids.new(), tenant_id=tenant_id, **fields)
    version = TemplateVersion(
        id=ids.new(),
        tenant_id=tenant_id,
        template=template,
        number=1,
        variables=text.variables,
        default_locale=text.default_locale,
        locales=text.locales,
    )
    try:
        with transaction.atomic():
            template.save(force_insert=True)
            version.save(force_insert=True)
    except IntegrityError as error:
        taken = f"There is a template {fields['slug']} for {fields['channel']} already."
        raise Problem("conflict", taken) from error
    template.refresh_from_db()
    version.refresh_from_db()
    return template, version


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
