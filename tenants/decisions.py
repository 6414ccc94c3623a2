"""Decisions: reading and changing what a tenant has decided for its categories.

The one way for API and portal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self
from uuid import UUID

from django.conf import settings
from django.db import transaction
from pydantic import BaseModel, ConfigDict, Field

from hiram.lib.problems import FieldError, Problem
from tenants.models import CategoryPolicy
from tenants.policy import DEFAULTS, MissedRun, OnUnknown, Policy, policy, show

STEPS_MOST = 30
LONGEST_SECONDS = 7 * 86_400
RETAINED_SECONDS = 10 * 365 * 86_400
OPTIONAL = ("marketing",)
"""Categories that are sent to nobody who does not want them, whatever a tenant decides."""

FIELDS = tuple(show(Policy()))

Seconds = Annotated[int, Field(ge=1, le=LONGEST_SECONDS)]


class PolicyChange(BaseModel):
    """The body of `PATCH /v1/policies/{category}`: what is left out stays, null is undecided."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    retry_steps_seconds: (
        Annotated[list[Seconds], Field(min_length=1, max_length=STEPS_MOST)] | None
    ) = Field(
        None,
        description="Waits between tries, each varied by a fifth; the last one repeats until the"
        " notification expires.",
    )
    ttl_seconds: Annotated[int, Field(ge=1, le=settings.TTL_SECONDS)] | None = Field(
        None, description="For how long it is tried, unless the notification says otherwise."
    )
    on_unknown: OnUnknown | None = Field(
        None,
        strict=False,
        description="What follows a lost answer: retry, hold, or verify with the provider.",
    )
    missed_run: MissedRun | None = Field(
        None,
        strict=False,
        description="What follows when Hiram was not there at `scheduled_at`.",
    )
    send_within_seconds: Seconds | None = Field(
        None, description="How late is not too late, for `missed_run: send_within_seconds`."
    )
    retain_seconds: Annotated[int, Field(ge=0, le=RETAINED_SECONDS)] | None = Field(
        None,
        description="How long bodies are kept after the notification's end; 0: not at all, as for"
        " one-time passwords. Also of what has been accepted before.",
    )
    required: bool | None = Field(
        None, description="Whether nobody can opt out; not for marketing."
    )


class ShownPolicy(BaseModel):
    """The rules of a category that hold; `decided` names those that are the tenant's own."""

    category: str
    retry_steps_seconds: list[int]
    ttl_seconds: int
    on_unknown: OnUnknown
    missed_run: MissedRun
    send_within_seconds: int | None
    retain_seconds: int
    required: bool
    decided: list[str]

    @classmethod
    def of(cls, category: str, decided: Mapping[str, Any]) -> Self:
        """From the tenant's decisions."""
        rules = show(policy(category, decided))
        rules["ttl_seconds"] = rules["ttl_seconds"] or settings.TTL_SECONDS
        if rules["retain_seconds"] is None:
            rules["retain_seconds"] = settings.RETAIN_SECONDS
        own = sorted(name for name, value in decided.items() if value is not None)
        return cls(category=category, **rules, decided=own)


def decisions(tenant_id: UUID) -> list[ShownPolicy]:
    """The rules of all categories."""
    rows = {row.category: row for row in CategoryPolicy.objects.filter(tenant_id=tenant_id)}
    return [ShownPolicy.of(category, _decided(rows.get(category))) for category in DEFAULTS]


def decide(tenant_id: UUID, category: str, given: PolicyChange) -> ShownPolicy:
    """Change the rules of a category; what is accepted from now on, or tried again, goes by them.

    Raises:
        Problem: 404 for an unknown category, 422 for what does not fit together.
    """
    if category not in DEFAULTS:
        raise Problem("not-found")
    changes = {name: getattr(given, name) for name in given.model_fields_set}
    with transaction.atomic():
        row, _ = CategoryPolicy.objects.select_for_update().get_or_create(
            tenant_id=tenant_id, category=category
        )
        decided = _decided(row) | changes
        is_within = decided["missed_run"] == MissedRun.SEND_WITHIN_SECONDS
        if not is_within and "send_within_seconds" not in changes:
            decided["send_within_seconds"] = None
        # The column knows no third way: what is not required is not decided.
        decided["required"] = decided["required"] or None
        _check(category, decided)
        CategoryPolicy.objects.filter(pk=row.pk).update(
            **decided | {"required": decided["required"] is True}
        )
    return ShownPolicy.of(category, decided)


def _decided(row: CategoryPolicy | None) -> dict[str, Any]:
    decided = {name: row and getattr(row, name) for name in FIELDS}
    return decided | {"required": decided["required"] or None}


def _check(category: str, decided: Mapping[str, Any]) -> None:
    if decided["required"] and category in OPTIONAL:
        text = f"Who does not want {category} gets none: it cannot be required."
        raise Problem("invalid", errors=[FieldError("/required", "invalid", text)])
    within = decided["send_within_seconds"]
    if decided["missed_run"] == MissedRun.SEND_WITHIN_SECONDS:
        if within is None:
            text = "This is needed with missed_run send_within_seconds."
            raise Problem("invalid", errors=[FieldError("/send_within_seconds", "required", text)])
    elif within is not None:
        text = "This is only for missed_run send_within_seconds."
        raise Problem("invalid", errors=[FieldError("/send_within_seconds", "invalid", text)])
