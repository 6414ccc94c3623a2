"""What a tenant's templates share: partials, the layout among them, and the brand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from hiram.lib import ids
from hiram.lib.problems import Problem
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


def put_partial(tenant_id: UUID, name: str, body: str) -> tuple[TemplatePartial, bool]:
    """Write it; whether it is new.

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
    row, is_new = TemplatePartial.objects.update_or_create(
        tenant_id=tenant_id,
        name=name,
        defaults={"body": body, "updated_at": Now()},
        create_defaults={"id": ids.new(), "body": body},
    )
    row.refresh_from_db()
    return row, is_new


def put_brand(tenant_id: UUID, variables: Mapping[str, Any]) -> Brand:
    """Write it as a whole."""
    row, _ = Brand.objects.update_or_create(
        tenant_id=tenant_id,
        defaults={"variables": dict(variables), "updated_at": Now()},
        create_defaults={"id": ids.new(), "variables": dict(variables)},
    )
    row.refresh_from_db()
    return row
