"""Trestleboard's entries, and which of them a user has not read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from portal.models import Entry, Reading
from tenants.models import User

NEWEST = 500


@dataclass(frozen=True, slots=True)
class Release:
    """The entries of one version, or of one day where they name no version."""

    title: str
    date: date
    entries: list[Entry]


def published() -> QuerySet[Entry]:
    """What everybody may read."""
    return Entry.objects.filter(published=True)


def unread(user: User) -> QuerySet[Entry]:
    """What this user has not read."""
    seen = Reading.objects.filter(user=user, entry=OuterRef("pk"))
    return published().exclude(Exists(seen))


def mark_read(user: User, entries: Sequence[UUID]) -> None:
    """Remember that the user was shown these entries."""
    Reading.objects.bulk_create(
        [Reading(user=user, entry_id=pk) for pk in entries], ignore_conflicts=True
    )


def releases() -> list[Release]:
    """The newest entries by release, newest first."""
    found: dict[tuple[date, str], list[Entry]] = {}
    for entry in published()[:NEWEST]:
        found.setdefault((entry.date, entry.version), []).append(entry)
    kinds = list(Entry.Kind.values)
    ordered = sorted(found, key=lambda key: (key[0], _natural(key[1])), reverse=True)
    return [
        Release(
            version or day.isoformat(), day, sorted(entries, key=lambda e: kinds.index(e.kind))
        )
        for day, version in ordered
        for entries in [found[day, version]]
    ]


def _natural(version: str) -> list[tuple[int, int, str]]:
    """So that 0.10 comes after 0.9."""
    parts = re.findall(r"\d+|[^\d]+", version)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts]
