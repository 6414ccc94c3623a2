"""CHANGELOG.md in the format of Keep a Changelog 1.1.0, read and loaded into Trestleboard."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db import transaction

from portal.models import Entry

_RELEASE = re.compile(
    r"## \[?(?P<version>[^\]\s]{1,40})\]?(?:\([^)]*\))?"
    r"(?: - (?P<date>\d{4}-\d{2}-\d{2}))?(?P<yanked> \[YANKED\])?\s*"
)
_HEADING = re.compile(r"#{2,3} ")
_LINK = re.compile(r"\[[^\]]+\]: \S+")
_FENCE = re.compile(r"\s*(?:(?:[-*+]|\d+[.)])\s+)?(```|~~~)")
UNRELEASED = "unreleased"


class Malformed(ValueError):
    """The file does not keep to the format; the message names the line."""


@dataclass(frozen=True, slots=True)
class Section:
    """What changed in one way in one release; `body` is Markdown."""

    version: str
    date: date
    kind: str
    body: str

    @property
    def id(self) -> UUID:
        """The same on every installation and for ever, so that feeds tell nothing twice."""
        return uuid5(NAMESPACE_URL, f"hiram:changelog:{self.version}:{self.kind}")


@dataclass(slots=True)
class _Block:
    """The lines below one heading of a kind."""

    release: tuple[str, date | None]
    kind: str
    lines: list[str] = field(default_factory=list)


def parse(text: str) -> list[Section]:
    """The sections of released versions, in the file's order. Unreleased ones are left out.

    Raises:
        Malformed: a release without a date, an unknown or doubled heading, an endless code block.
    """
    sections: dict[tuple[str, str], Section] = {}
    for block in _blocks(text.splitlines()):
        (version, day), body = block.release, "\n".join(block.lines).strip()
        if day is None or not body:
            continue
        if (version, block.kind) in sections:
            raise Malformed(f"{version} has two sections {block.kind!r}")
        sections[version, block.kind] = Section(version, day, block.kind, body)
    return list(sections.values())


@transaction.atomic
def load(text: str) -> int:
    """Make Trestleboard's entries from this file what the file says; entries of our own stay.

    Doing it again changes nothing, not even the time of the last change. Returns how many
    entries were made, changed or removed.
    """
    sections = {section.id: section for section in parse(text)}
    stored = {entry.pk: entry for entry in Entry.objects.filter(source=Entry.Source.FILE)}
    _, gone = Entry.objects.filter(pk__in=stored.keys() - sections.keys()).delete()
    return gone.get("portal.Entry", 0) + sum(
        _write(section, stored.get(pk)) for pk, section in sections.items()
    )


def _write(section: Section, entry: Entry | None) -> bool:
    if entry is None:
        Entry.objects.get_or_create(
            pk=section.id,
            defaults={
                "version": section.version,
                "date": section.date,
                "kind": section.kind,
                "body": section.body,
                "source": Entry.Source.FILE,
            },
        )
        return True
    if (entry.date, entry.body) == (section.date, section.body):
        return False
    entry.date, entry.body = section.date, section.body
    entry.save(update_fields=["date", "body", "updated_at"])
    return True


def _blocks(lines: Iterable[str]) -> list[_Block]:
    release: tuple[str, date | None] | None = None
    blocks: list[_Block] = []
    inside = fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= _FENCE.match(line) is not None
        if fenced or not _HEADING.match(line):
            if inside and (fenced or not _LINK.fullmatch(line)):
                blocks[-1].lines.append(line)
        elif line.startswith("## "):
            release, inside = _release(line, number), False
        elif release is not None:
            blocks.append(_Block(release, _kind(line, number)))
            inside = True
    if fenced:
        raise Malformed("a block of code is not closed")
    return blocks


def _kind(line: str, number: int) -> str:
    kind = line[4:].strip().lower()
    if kind not in Entry.Kind.values:
        raise Malformed(f"line {number}: {line.strip()!r} is no kind of change")
    return kind


def _release(line: str, number: int) -> tuple[str, date | None]:
    """Version and date; without a date what is not released yet."""
    found = _RELEASE.fullmatch(line)
    if found is None:
        raise Malformed(f"line {number}: {line.strip()!r} is no release")
    version = found["version"]
    if version.lower() == UNRELEASED:
        return version, None
    try:
        day = date.fromisoformat(found["date"] or "")
    except ValueError as error:
        raise Malformed(f"line {number}: {version} has no date YYYY-MM-DD") from error
    return version + (" (yanked)" if found["yanked"] else ""), day
