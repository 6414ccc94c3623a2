"""What a tenant's templates share: partials, the layout among them, and the brand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from hiram.lib import ids
from hiram.lib.problems import Problem
from hiram.lib.seen import MEANWHILE, check_seen
from notifications.catalog import working
from notifications.catalog.shapes import is_partial_name
from notifications.catalog.working import Surroundings
from notifications.models import Brand, TemplatePartial

PARTIALS_MOST = 100
PARTIALS_OCTETS = 128 * 1024
"""Of a tenant's partials together: each version published keeps them."""


def partials(tenant_id: UUID) -> QuerySet[TemplatePartial]:
    """Those of the tenant, by name."""
    return TemplatePartial.objects.filter(tenant_id=tenant_id).order_by("name")


def put_partial(
    tenant_id: UUID, name: str, body: str, *, seen: str | None = None
) -> tuple[TemplatePartial, bool]:
    """Write it; whether it is new. `seen` is the mark of what was looked at before.

    Raises:
        Problem: see `check_partial`; 409 for what was changed meanwhile.
        rendering.Unavailable: the renderers are all busy.
    """
    check_partial(tenant_id, name, body)
    row, is_new = _put(
        TemplatePartial, {"tenant_id": tenant_id, "name": name}, {"body": body}, seen
    )
    return row, is_new


def check_partial(tenant_id: UUID, name: str, body: str) -> None:
    """See that it can be kept.

    Raises:
        Problem: 404 for what cannot be a name, 409 for too many, 422 for the syntax.
        rendering.Unavailable: the renderers are all busy.
    """
    if not is_partial_name(name):
        raise Problem("not-found")
    around = working.surroundings(tenant_id)
    others = {n: b for n, b in around.partials.items() if n != name}
    if len(others) >= PARTIALS_MOST:
        raise Problem("conflict", f"A tenant has at most {PARTIALS_MOST} partials.")
    if sum(len(b.encode()) for b in (*others.values(), body)) > PARTIALS_OCTETS:
        text = f"A tenant's partials may have at most {PARTIALS_OCTETS} octets together."
        raise Problem("conflict", text)
    found = working.syntax(
        {"body": body}, Surroundings(others | {name: body}), owner=str(tenant_id)
    )
    # It is among the partials, too, where it may render itself.
    if errors := [error for error in found if error.pointer]:
        raise Problem("invalid", errors=errors)


def put_brand(tenant_id: UUID, variables: Mapping[str, Any], *, seen: str | None = None) -> Brand:
    """Write it as a whole. `seen` is the mark of what was looked at before.

    Raises:
        Problem: 409 for what was changed meanwhile.
    """
    row: Brand
    row, _ = _put(Brand, {"tenant_id": tenant_id}, {"variables": dict(variables)}, seen)
    return row


def _put(
    model: Any, of: Mapping[str, Any], values: Mapping[str, Any], seen: str | None
) -> tuple[Any, bool]:
    with transaction.atomic():
        if seen is not None:
            check_seen(model.objects.select_for_update().filter(**of).first(), seen)
        row, is_new = model.objects.update_or_create(
            **of,
            defaults={**values, "updated_at": Now()},
            create_defaults={**values, "id": ids.new()},
        )
        if seen == "" and not is_new:  # somebody else made it since it was looked for
            raise Problem("conflict", MEANWHILE)
        row.refresh_from_db()
    return row, is_new
