"""System templates: texts that come with Hiram, seeded for each tenant.

The seeded text is version 0 of its template, so that the first version that a tenant writes
itself is version 1, wherever it begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hiram.lib import ids
from hiram.lib.problems import FieldError, Problem
from notifications.catalog import working
from notifications.catalog.files import Filed, read
from notifications.catalog.versions import (
    SEEDED,
    draft,
    locked,
    published,
    put,
    text_of,
)
from notifications.catalog.working import Surroundings
from notifications.models import Template, TemplateVersion
from notifications.rendering.publish import LAYOUT

FOLDER = Path(__file__).with_name("system")


@cache
def texts() -> tuple[Filed, ...]:
    """Those that come with Hiram."""
    return tuple(read(FOLDER))


def seed(tenant_id: UUID, slug: str | None = None) -> list[Template]:
    """Make the system templates whose slug the tenant has not got on their channel; those made.

    With a slug only those of this slug.

    Raises:
        rendering.Unavailable: the renderers are all busy.
    """
    known = set(Template.objects.filter(tenant_id=tenant_id).values_list("slug", "channel"))
    missing = [
        text
        for text in texts()
        if slug in (None, text.slug) and (text.slug, text.channel) not in known
    ]
    if not missing:
        return []
    around = working.surroundings(tenant_id)
    at = timezone.now()
    made, versions = [], []
    for text in missing:
        template = Template(
            id=ids.new(),
            tenant_id=tenant_id,
            slug=text.slug,
            channel=text.channel,
            name=text.name,
            category=text.category,
            system=text.slug,
        )
        made.append(template)
        versions.append(
            TemplateVersion(
                id=ids.new(),
                tenant_id=tenant_id,
                template=template,
                number=SEEDED,
                state=TemplateVersion.State.PUBLISHED,
                variables=text.text.variables,
                default_locale=text.text.default_locale,
                locales=text.text.locales,
                worked=_worked(text, around),
                published_at=at,
            )
        )
    with transaction.atomic():
        Template.objects.bulk_create(made, ignore_conflicts=True)
        # Others may have made the same ones at the same moment: theirs have their versions.
        ours = set(
            Template.objects.filter(pk__in=[t.pk for t in made]).values_list("pk", flat=True)
        )
        TemplateVersion.objects.bulk_create([v for v in versions if v.template_id in ours])
    return [template for template in made if template.pk in ours]


def reset(tenant_id: UUID, slug: str | None) -> list[Template]:
    """Publish the system's text again, of this slug or of all; the templates that have it now.

    Without a slug the tenant's own templates are left alone, also those whose slug is one of the
    system's.

    Raises:
        Problem: 422 for a slug that is none of the system's.
        rendering.Unavailable: the renderers are all busy.
    """
    asked = [text for text in texts() if slug in (None, text.slug)]
    if not asked:
        names = ", ".join(sorted({text.slug for text in texts()}))
        errors = [FieldError("/slug", "not_an_option", f"This must be one of {names}.")]
        raise Problem("invalid", errors=errors)
    around = working.surroundings(tenant_id)
    seed(tenant_id, slug)
    done = []
    for text in asked:
        template = Template.objects.get(tenant_id=tenant_id, slug=text.slug, channel=text.channel)
        if slug is not None or template.system is not None:
            _bring_back(template, text, around)
            done.append(template)
    return done


def _bring_back(template: Template, text: Filed, around: Surroundings) -> None:
    worked = _worked(text, around)
    with transaction.atomic():
        row = locked(template.tenant_id, template.pk)
        now = published(row)
        if now is None or text_of(now) != text.text:
            put(row, draft(row, text.text), worked)
        Template.objects.filter(pk=row.pk).update(system=text.slug)


def _worked(text: Filed, around: Surroundings) -> Mapping[str, Any]:
    """What publishing the text makes, without the work where it would change nothing.

    The texts have their styles on their elements and every part written out, and use no partials.
    A tenant's broken layout must not keep them away.
    """
    locales: Any = text.text.locales
    bare = {"locales": locales, "partials": {}, "escaped": ["html"], "brand": dict(around.brand)}
    if LAYOUT not in around.partials:
        return bare
    worked = working.worked(locales, around)
    return bare if isinstance(worked, list) else worked
