"""What publishing makes of a version's text: `worked`, in which everything is frozen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hiram.lib.problems import FieldError, pointer
from notifications import rendering
from notifications.models import Brand, TemplatePartial
from notifications.rendering import Flaw, Source
from tenants.models import Tenant

_TAG = re.compile(r"\{%(?:(?!%\}).)*+%\}", re.DOTALL)
_NAMED = re.compile(r"\b(?:render|include)\s++(['\"])([^'\"]*+)\1")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a tenant's templates share."""

    partials: Mapping[str, str] = field(default_factory=dict)
    brand: Mapping[str, Any] = field(default_factory=dict)


def surroundings(tenant_id: UUID) -> Surroundings:
    """The tenant's partials and brand as they are now; `brand.name` is always there."""
    name = Tenant.objects.values_list("name", flat=True).get(pk=tenant_id)
    partials = TemplatePartial.objects.filter(tenant_id=tenant_id).values_list("name", "body")
    brand = Brand.objects.filter(tenant_id=tenant_id).values_list("variables", flat=True).first()
    return Surroundings(dict(partials), {"name": name, **(brand or {})})


def shortcomings(channel: str, parts: Mapping[str, str]) -> list[FieldError]:
    """What a channel lacks in these parts, or cannot take; pointers into them."""
    if channel != "email":
        text = "There is no such part on this channel."
        found = [FieldError(f"/{p}", "unknown_field", text) for p in parts if p != "text"]
        if "text" not in parts:
            found.append(FieldError("/text", "required", "A message is its text."))
        return found
    if "subject" not in parts:
        return [FieldError("/subject", "required", "An e-mail needs a subject.")]
    return []


def syntax(parts: Mapping[str, str], around: Surroundings, *, owner: str = "") -> list[FieldError]:
    """Errors of syntax in one locale's parts; pointers into them.

    Raises:
        rendering.Unavailable: the renderers are all busy.
    """
    source = Source(parts=parts, partials=around.partials, escaped=frozenset({"html", "mjml"}))
    return [_told(flaw) for flaw in rendering.check(source, owner=owner)]


def worked(
    locales: Mapping[str, Mapping[str, str]], around: Surroundings, *, owner: str = ""
) -> dict[str, Any] | list[FieldError]:
    """The column `worked` of a version with these locales, or why it cannot be published.

    Pointers begin with `/locales`.

    Raises:
        rendering.Unavailable: the renderers are all busy.
    """
    made: dict[str, Mapping[str, str]] = {}
    errors: list[FieldError] = []
    for locale, parts in locales.items():
        done = list(_missing(parts, around)) or rendering.work(parts, around.partials, owner=owner)
        if isinstance(done, list):
            errors += [under(_told(flaw), "locales", locale) for flaw in done]
        else:
            made[locale] = done
    if errors:
        return errors[:20]
    partials = dict(around.partials)
    return {
        "locales": made, "partials": partials, "escaped": ["html"], "brand": dict(around.brand)
    }  # fmt: skip


def _missing(parts: Mapping[str, str], around: Surroundings) -> Iterator[Flaw]:
    """Partials that are named and not there: found here, not by the first recipient."""
    for part, source in parts.items():
        for tag in _TAG.finditer(source):
            for found in _NAMED.finditer(tag[0]):
                if found[2] not in around.partials:
                    line = source.count("\n", 0, tag.start() + found.start()) + 1
                    text = f"there is no partial {found[2][:100]}"
                    yield Flaw(part, line, None, "template_syntax", text)


def under(error: FieldError, *steps: str | int) -> FieldError:
    """The same finding, which stands under these steps."""
    return FieldError(pointer(*steps) + error.pointer, error.code, error.detail)


def _told(flaw: Flaw) -> FieldError:
    where = f" (line {flaw.line}, column {flaw.column or 1})" if flaw.line else ""
    _, is_partial, name = flaw.part.partition(".")
    if is_partial:
        where += f", in the partial {name}"
    place = "" if is_partial or not flaw.part else pointer(flaw.part)
    return FieldError(place, flaw.code, f"{flaw.detail.rstrip('.')}{where}.")
