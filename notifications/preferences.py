"""Preferences: what users want to get, by category or template and channel, and when.

What a preference means for one notification is `notifications.refusal`'s to say, in SQL; `wants` is
the same for a category, for people to look at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from hiram.lib.problems import FieldError, Problem, pointer
from hiram.lib.seen import check_seen
from notifications.accept import Owner
from notifications.models import Preference, Template
from notifications.quiet import leaves_a_moment
from notifications.subscribers import lock_user
from notifications.withhold import withhold_from_user
from tenants.models import CategoryPolicy

TEMPLATES_MOST = 1_000

Said = dict[str, dict[str, bool]]


def wishes(owner: Owner, user_id: str) -> Preference:
    """What this user has said; a row that is not stored where that is nothing."""
    rows = Preference.objects.filter(tenant_id=owner.tenant_id, mode=owner.mode, user_id=user_id)
    return rows.first() or Preference(tenant_id=owner.tenant_id, mode=owner.mode, user_id=user_id)


def change(
    owner: Owner,
    user_id: str,
    given: Mapping[str, Any],
    *,
    replaces: bool = False,
    seen: str | None = None,
) -> Preference:
    """Merge what is given into what was said, or put it in its place; None takes something back.

    What is owed and not wanted any more ends. `seen` is the mark of what was looked at before.

    Raises:
        Problem: 404 for an unknown user, 409 for what was changed meanwhile, 422 for what cannot be.
    """
    with transaction.atomic():
        lock_user(owner.tenant_id, owner.mode, user_id)
        row = wishes(owner, user_id)
        check_seen(row, seen)
        for name in ("categories", "templates"):
            said = {} if replaces else getattr(row, name)
            setattr(row, name, merged(said, given.get(name) or {}))
        for name, empty in (("quiet_hours", None), ("send_windows", [])):
            if replaces or name in given:
                setattr(row, name, given.get(name) or empty)
        _check(owner.tenant_id, row, given)
        write(row)
    withhold_from_user(owner, user_id)
    return row


def write(row: Preference) -> None:
    """Store it, under the user's lock."""
    row.updated_at = Now()
    row.save(force_insert=row._state.adding)
    row.refresh_from_db(fields=["updated_at"])


def merged(said: Mapping[str, Mapping[str, bool]], given: Mapping[str, Any]) -> Said:
    """What was said with what is given over it; of what is None nothing is left."""
    found: dict[str, dict[str, Any]] = deepcopy({k: dict(v) for k, v in said.items()})
    for name, by_channel in given.items():
        if by_channel is None:
            found.pop(name, None)
            continue
        kept = found.get(name, {}) | by_channel
        found[name] = {channel: yes for channel, yes in kept.items() if yes is not None}
    return {name: by_channel for name, by_channel in found.items() if by_channel}


def wants(row: Preference, category: str, channel: str, required: Collection[str]) -> bool:
    """Whether what names no template goes to this user."""
    if category in required:
        return True
    said = row.categories.get(category, {}).get(channel)
    return category != "marketing" if said is None else bool(said)


def required_categories(tenant_id: UUID) -> frozenset[str]:
    """Those that nobody can opt out of."""
    rows = CategoryPolicy.objects.filter(tenant_id=tenant_id, required=True)
    return frozenset(rows.values_list("category", flat=True))


def _check(tenant_id: UUID, row: Preference, given: Mapping[str, Any]) -> None:
    """Raises Problem."""
    errors = [*_required(tenant_id, given)]
    if len(row.templates) > TEMPLATES_MOST:
        text = f"There may be at most {TEMPLATES_MOST} of them."
        errors.append(FieldError("/templates", "too_many", text))
    if not leaves_a_moment(row.quiet_hours, row.send_windows):
        text = "These windows and quiet hours leave no moment of the week."
        errors.append(FieldError("/send_windows", "invalid", text))
    if errors:
        raise Problem("invalid", errors=errors)


def _required(tenant_id: UUID, given: Mapping[str, Any]) -> Iterable[FieldError]:
    refusals = [
        (kind, name, channel)
        for kind in ("categories", "templates")
        for name, by_channel in (given.get(kind) or {}).items()
        for channel, yes in (by_channel or {}).items()
        if yes is False
    ]
    required = required_categories(tenant_id) if refusals else frozenset()
    slugs = [name for kind, name, _ in refusals if kind == "templates"] if required else []
    rows = Template.objects.filter(tenant_id=tenant_id, slug__in=slugs, category__in=required)
    fixed = set(rows.values_list("slug", "channel")) if slugs else set()
    text = "What is sent in this category is required: nobody can opt out of it."
    for kind, name, channel in refusals:
        if (name in required) if kind == "categories" else ((name, channel) in fixed):
            yield FieldError(pointer(kind, name, channel), "required_category", text)
