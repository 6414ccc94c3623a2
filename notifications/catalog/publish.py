"""Publish: from a draft to what is sent; and back to what was sent before."""

from __future__ import annotations

from django.db import transaction

from hiram.lib.problems import Problem
from notifications.catalog import working
from notifications.catalog.versions import latest, locked, numbered, put, text_of
from notifications.models import Template, TemplateVersion

_State = TemplateVersion.State


def publish(template: Template, number: int | None = None) -> TemplateVersion:
    """Publish the draft of this number, else the latest version.

    The work is done before anything is locked, and holds only for the text that it was done for.
    A version that is published already stays so.

    Raises:
        Problem: 404, 409 for an archived one or one that changed meanwhile, 422 for its flaws.
        rendering.Unavailable: the renderers are all busy.
    """
    version = latest(template) if number is None else numbered(template, number)
    if version.state == _State.PUBLISHED:
        return version
    if version.state == _State.ARCHIVED:
        raise Problem("conflict", "This version is archived; roll back to it.")
    around = working.surroundings(template.tenant_id)
    worked = working.worked(version.locales, around, owner=str(template.tenant_id))
    if isinstance(worked, list):
        raise Problem("invalid", "This version cannot be published.", errors=worked)
    with transaction.atomic():
        row = locked(template.tenant_id, template.pk)
        now = numbered(row, version.number)
        if now.state == _State.DRAFT and text_of(now) == text_of(version):
            put(row, now, worked)
        elif now.state != _State.PUBLISHED:
            raise Problem("conflict", "The version was changed meanwhile; look at it again.")
        now.refresh_from_db()
    return now


def rollback(template: Template, number: int | None = None) -> TemplateVersion:
    """Publish an archived version again, as it was: the named one, else the one before.

    Raises:
        Problem: 404, 409 when there is none, or the named one was never published.
    """
    with transaction.atomic():
        row = locked(template.tenant_id, template.pk)
        version = _before(row) if number is None else numbered(row, number)
        if version.state == _State.PUBLISHED:
            return version
        if version.state == _State.DRAFT or version.worked is None:
            raise Problem("conflict", "This version was never published.")
        put(row, version, version.worked)
        version.refresh_from_db()
    return version


def _before(template: Template) -> TemplateVersion:
    """The archived version next below the published one."""
    versions = TemplateVersion.objects.filter(tenant_id=template.tenant_id, template=template)
    archived = versions.filter(state=_State.ARCHIVED)
    now = versions.filter(state=_State.PUBLISHED).first()
    found = (archived.filter(number__lt=now.number) if now else archived).order_by("-number")
    version = found.first()
    if version is None:
        raise Problem("conflict", "There is no version before to roll back to.")
    return version
