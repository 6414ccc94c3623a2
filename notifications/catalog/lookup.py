"""Lookup: from a slug to what can be sent, in one statement or in none.

Every request learns with its key when the tenant's templates changed last, so what is published
holds in every process from the next send on. A version's text comes along only where this process
has not got it yet: it never changes once it is published.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from hiram.lib.problems import FieldError
from notifications.catalog.locales import chosen
from notifications.catalog.parsed import Entry, Kept, Parsed, parse

_kept = Kept()

_FIND = """
SELECT t.channel, t.id, t.category, t.enabled, t.disabled_reason, n.locale, v.id, v.number,
       v.default_locale,
       CASE WHEN v.id = ANY(%(known)s) THEN NULL ELSE v.variables END,
       CASE WHEN v.id = ANY(%(known)s) THEN NULL ELSE v.worked END
  FROM notifications_template t
  JOIN tenants_tenant n ON n.id = t.tenant_id
  LEFT JOIN notifications_templateversion v
    ON v.tenant_id = t.tenant_id AND v.template_id = t.id AND v.state = 'published'
 WHERE t.tenant_id = %(tenant)s AND t.slug = %(slug)s
 ORDER BY t.channel
"""


@dataclass(frozen=True, slots=True)
class Sendable:
    """A template on one channel, in its published version."""

    tenant_id: UUID
    template_id: UUID
    slug: str
    channel: str
    category: str
    number: int
    default_locale: str
    tenant_locale: str
    parsed: Parsed

    @property
    def version_id(self) -> UUID:
        """The version's id."""
        return self.parsed.version_id

    def locale(self, wanted: str | None) -> str:
        """The locale that is used for somebody who wants this one, a normalised tag."""
        return chosen(wanted, self.tenant_locale, self.default_locale, self.parsed.sources)


def lookup(
    tenant_id: UUID, slug: str, channels: Collection[str] = (), *, as_of: datetime | None = None
) -> Mapping[str, Sendable | FieldError]:
    """What this slug is on each of `channels`, or, without any, on each where it is.

    `as_of` is the tenant's `templates_changed_at`, read in the same request: nothing is asked of
    the database where it was so at that moment already.

    Where it cannot be sent, the finding at `/template` says why: `unknown_template` when there is
    none or none is published, `template_disabled` with the tenant's reason.
    """
    key = (tenant_id, slug)
    known = _kept.get(key)
    if as_of is None or known.as_of != as_of:
        known = _read(tenant_id, slug, known.versions, as_of)
        _kept.put(key, known)
    found: Mapping[str, Sendable | FieldError] = known.found
    return {name: found.get(name, unknown(slug)) for name in channels} if channels else found


def _read(
    tenant_id: UUID, slug: str, known: Mapping[UUID, Parsed], as_of: datetime | None
) -> Entry:
    with connection.cursor() as cursor:
        cursor.execute(_FIND, {"tenant": tenant_id, "slug": slug, "known": list(known)})
        rows = cursor.fetchall()
    versions = {row[6]: known.get(row[6]) or _parse(row) for row in rows if row[6]}
    found = {row[0]: _found(tenant_id, slug, row, versions.get(row[6])) for row in rows}
    return Entry(versions, as_of, found)


def unknown(slug: str) -> FieldError:
    """The finding for a slug that names nothing which can be sent."""
    text = f"There is no published template {slug[:100]} on this channel."
    return FieldError("/template", "unknown_template", text)


def _found(
    tenant_id: UUID, slug: str, row: tuple[Any, ...], parsed: Parsed | None
) -> Sendable | FieldError:
    channel, template_id, category, enabled, reason, tenant_locale, _, number, default, *_ = row
    if not enabled:
        text = f"The template {slug} is disabled{f': {reason}' if reason else ''}."
        return FieldError("/template", "template_disabled", text.replace("..", "."))
    if parsed is None:
        return unknown(slug)
    return Sendable(
        tenant_id, template_id, slug, channel, category, number, default, tenant_locale, parsed
    )


def _parse(row: tuple[Any, ...]) -> Parsed:
    return parse(row[6], json.loads(row[9]), json.loads(row[10]))
