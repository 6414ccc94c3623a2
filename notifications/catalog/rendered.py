"""Rendered: the parts of a template for many recipients, each with its own data and locale."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from hiram.lib.problems import FieldError, pointer
from notifications import rendering
from notifications.catalog.lookup import Sendable
from notifications.catalog.parsed import Parsed
from notifications.rendering import Allowance, Flaw

FIELDS: Mapping[str, Mapping[str, str]] = {
    "email": {"subject": "subject", "html": "html", "text": "body"},
    "sms": {"text": "body"},
}
"""By channel, which part of a template is which field of the channel's request."""


_NAME_CHARACTERS = 200
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]++)*+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """For one recipient: its locale, a normalised tag or none, and its data."""

    locale: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is said to one recipient; `fields` are those of the channel's request."""

    template_id: UUID
    version_id: UUID
    number: int
    channel: str
    category: str
    locale: str
    fields: Mapping[str, str]


def rendered(
    template: Sendable,
    wanted: Sequence[Wanted],
    *,
    seconds: float = 1.0,
    allowance: Allowance | None = None,
) -> list[Rendered | list[FieldError]]:
    """One entry for each of `wanted`, in their order: its text, or what is wrong with its data.

    The allowance is what the whole call has, if it is for more than these.

    Findings point into the recipient's `/data`, or at `/template` where the text is at fault.

    Raises:
        rendering.Unavailable: the renderers are all busy.
    """
    places = [template.locale(one.locale) for one in wanted]

    def found(parts: Mapping[str, str], locale: str) -> Rendered:
        return Rendered(
            template.template_id,
            template.version_id,
            template.number,
            template.channel,
            template.category,
            locale,
            fields_of(template.channel, parts),
        )

    texts = parts_for(
        template.parsed,
        list(zip(places, (one.data for one in wanted), strict=True)),
        owner=str(template.tenant_id),
        seconds=seconds,
        allowance=allowance,
    )
    return [
        text if isinstance(text, list) else found(text, locale)
        for text, locale in zip(texts, places, strict=True)
    ]


def parts_for(
    version: Parsed,
    wanted: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    owner: str,
    seconds: float,
    allowance: Allowance | None = None,
) -> list[dict[str, str] | list[FieldError]]:
    """The rendered parts for each pair of a locale, which the version has, and data."""
    answers: list[dict[str, str] | list[FieldError]] = [[] for _ in wanted]
    by_locale: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for place, (locale, data) in enumerate(wanted):
        filled = version.variables.filled(data)
        if errors := version.variables.errors(filled):
            answers[place] = [replace(e, pointer=f"/data{e.pointer}") for e in errors]
        else:
            by_locale[locale].append((place, filled | {"brand": version.brand}))
    left = allowance or Allowance.of(len(wanted), seconds)
    for locale, group in by_locale.items():
        sets = [data for _, data in group]
        source = version.sources[locale]
        made = rendering.render(source, sets, owner=owner, seconds=seconds, allowance=left)
        for (place, _), one in zip(group, made, strict=True):
            answers[place] = [flawed(one, locale)] if isinstance(one, Flaw) else _tidy(one)
    return answers


def flawed(flaw: Flaw, locale: str) -> FieldError:
    """What came out instead of text, as a finding of the send."""
    place = f" ({locale} {flaw.part}{f', line {flaw.line}' if flaw.line else ''})."
    if flaw.code != "undefined_variable":
        return FieldError("/template", flaw.code, flaw.detail.rstrip(".") + place)
    name = flaw.detail[:_NAME_CHARACTERS]
    steps = name.split(".") if _DOTTED.fullmatch(name) else []
    # What the brand lacks no sender can give.
    where = "/template" if steps[:1] == ["brand"] else pointer("data", *steps)
    return FieldError(where, flaw.code, f"The variable {name} is not defined{place}")


def at_template(errors: Iterable[FieldError], channel: str) -> list[FieldError]:
    """Findings of the channel's request, those about what the template wrote at `/template`."""
    written = {f"/{field}": field for field in FIELDS[channel].values()}
    return [
        FieldError("/template", e.code, f"The rendered {written[e.pointer]}: {e.detail}")
        if e.pointer in written
        else e
        for e in errors
    ]


def fields_of(channel: str, parts: Mapping[str, str]) -> dict[str, str]:
    """The parts under the names of the channel's request, empty ones left out."""
    return {field: parts[p] for p, field in FIELDS[channel].items() if parts.get(p)}


def _tidy(parts: Mapping[str, str]) -> dict[str, str]:
    made = dict(parts)
    if "subject" in made:
        # One line, however the template is laid out and whatever a value holds.
        made["subject"] = " ".join(made["subject"].split())
    if "text" in made:
        made["text"] = made["text"].strip()
    return made
