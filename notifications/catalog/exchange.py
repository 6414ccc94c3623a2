"""A tenant's templates to files and back: `manage.py templates push | pull`."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from hiram.lib.problems import Problem
from notifications.catalog import templates, versions, working
from notifications.catalog.files import BadFiles, Filed, read, write
from notifications.catalog.publish import publish
from notifications.catalog.versions import latest, published, text_of
from notifications.models import Template


def pull(tenant_id: UUID, root: Path, *, drafts: bool = False) -> list[Path]:
    """Write each template's published version, or with `drafts` its latest; the folders.

    A template of which nothing is published is written with its latest version.
    """
    rows = Template.objects.filter(tenant_id=tenant_id).order_by("slug", "channel")
    return [write(root, filed(row, drafts=drafts)) for row in rows]


def push(tenant_id: UUID, root: Path, *, publishing: bool = False) -> dict[str, str]:
    """Make a draft of each folder that says something new; what became of each, by its name.

    Everything is read and checked before anything is written.

    Raises:
        BadFiles: some file is unknown, broken, or cannot be published.
        rendering.Unavailable: the renderers are all busy.
    """
    found = read(root)
    around = working.surroundings(tenant_id)
    findings: list[str] = []
    for one in found:
        try:
            versions.check(one.channel, one.text, around, owner=str(tenant_id))
        except Problem as problem:
            findings += [f"{root / one.folder}{e.pointer}: {e.detail}" for e in problem.errors]
            continue
        worked = working.worked(one.text.locales, around) if publishing else {}
        if isinstance(worked, list):
            findings += [f"{root / one.folder}{e.pointer}: {e.detail}" for e in worked]
    if findings:
        raise BadFiles(findings)
    return {one.folder: _push(tenant_id, one, publishing=publishing) for one in found}


def filed(template: Template, *, drafts: bool) -> Filed:
    """The template as its folder will say it."""
    version = (None if drafts else published(template)) or latest(template)
    return Filed(
        template.slug, template.channel, template.name, template.category, text_of(version)
    )


def _push(tenant_id: UUID, one: Filed, *, publishing: bool) -> str:
    fields = {"name": one.name, "category": one.category}
    template = Template.objects.filter(
        tenant_id=tenant_id, slug=one.slug, channel=one.channel
    ).first()
    if template is None:
        named = {"slug": one.slug, "channel": one.channel, **fields}
        template, _ = templates.create(tenant_id, named, one.text)
        did = "created"
    else:
        if (template.name, template.category) != (one.name, one.category):
            templates.change(template, fields)
        did = "unchanged"
        if text_of(latest(template)) != one.text:
            versions.draft(template, one.text)
            did = "drafted"
    if publishing and (now := _publish_latest(template)):
        return f"published {now}"
    return did


def _publish_latest(template: Template) -> int | None:
    """Publish the latest version if it is a draft; its number, if it was."""
    version = latest(template)
    if version.state != version.State.DRAFT:
        return None
    return publish(template, version.number).number
