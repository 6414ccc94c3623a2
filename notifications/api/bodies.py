"""What may be posted: one notification of any channel, or many."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, reduce
from typing import Annotated, Any, Literal, Self

from django.conf import settings
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from hiram.lib.findings import field_errors
from hiram.lib.problems import FieldError, Problem, pointer
from notifications.accept import Origin, Owner
from notifications.audience import Filled, fill
from notifications.channel import (
    METADATA_KEYS,
    RECIPIENT_CHARACTERS,
    Category,
    Metadata,
    OwnKey,
    Request,
)
from notifications.quiet import deferred_until
from notifications.shelves import channels

BATCH_ITEMS = 1_000

AnyRequest: Any = Annotated[
    reduce(operator.or_, (channel.request for channel in channels.values())),
    Field(discriminator="channel"),
]
"""The request of any channel on the shelf, told apart by its `channel`."""


class Send(RootModel[AnyRequest]):
    """One notification; `channel` says which fields it has."""


class AnyBatch(BaseModel):
    """A batch whose items are not yet checked: each will be on its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    mode: Literal["atomic", "partial"] = Field(
        "atomic", description="atomic: all or none; partial: those that can be accepted."
    )
    notifications: list[Any] = Field(min_length=1, max_length=BATCH_ITEMS)


class Batch(AnyBatch):
    """Many notifications."""

    notifications: list[AnyRequest] = Field(min_length=1, max_length=BATCH_ITEMS)


class Cancel(BaseModel):
    """Which ones to cancel: by the key they were given, or by all of these labels."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        json_schema_extra={"minProperties": 1},
    )

    cancel_key: OwnKey | None = None
    metadata: Metadata | None = Field(None, min_length=1, max_length=METADATA_KEYS)

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.cancel_key is None) is (self.metadata is None):
            raise ValueError("needs either cancel_key or metadata")
        return self


class Replay(BaseModel):
    """Which dead letters to replay: those that have all of these. Without any: all."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    reason: str | None = Field(None, min_length=1, max_length=60)
    channel: str | None = Field(None, min_length=1, max_length=20)
    category: Category | None = None
    created_after: str | None = Field(None, max_length=40)
    created_before: str | None = Field(None, max_length=40)
    per_second: float | None = Field(
        None, gt=0, le=1_000, description="At which pace they become due; left out, all at once."
    )
    dry_run: bool = Field(False, description="Only count and name them.")
    replay_id: str | None = Field(
        None, max_length=40, description="Go on with this replay: in its count, at its pace."
    )


class Decision(BaseModel):
    """Which of the held ones: those that have all of these. Without any: all."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    channel: str | None = Field(None, min_length=1, max_length=20)
    recipient: str | None = Field(None, min_length=1, max_length=RECIPIENT_CHARACTERS)
    category: Category | None = None
    created_after: str | None = Field(None, max_length=40)
    created_before: str | None = Field(None, max_length=40)
    dry_run: bool = Field(False, description="Only name them.")


@cache
def _one() -> TypeAdapter[Request]:
    return TypeAdapter(AnyRequest)


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that can be accepted, and what else is known of it."""

    request: Request
    origin: Origin


def checked(owner: Owner, body: Any) -> Checked:
    """The body as a request of its channel.

    Raises:
        Problem: 422 with a pointer for each finding.
    """
    [filled] = fill(owner, [body])
    found = check(filled, datetime.now(UTC))
    if isinstance(found, list):
        raise Problem("invalid", errors=found)
    return found


def sort(
    owner: Owner, items: Sequence[Any]
) -> tuple[dict[int, Checked], dict[int, list[FieldError]]]:
    """A batch's items that can be accepted, and the findings of those that cannot, by index."""
    good: dict[int, Checked] = {}
    bad: dict[int, list[FieldError]] = {}
    at = datetime.now(UTC)
    for index, item in enumerate(fill(owner, items)):
        found = check(item, at, "notifications", index)
        if isinstance(found, list):
            bad[index] = found
        else:
            good[index] = found
    return good, bad


def check(item: Filled, at: datetime, *under: str | int) -> Checked | list[FieldError]:
    """A filled body as a request, or the findings in it, which stands at `under`."""
    if item.errors:
        return [replace(e, pointer=pointer(*under) + e.pointer) for e in item.errors]
    try:
        request = _one().validate_python(item.body, context={"at": at})
    except ValidationError as error:
        return field_errors(error, *under, tag="channel")
    if not settings.ATTACHMENTS and request.content().get("attachments"):
        where = pointer(*under, "attachments")
        return [FieldError(where, "disabled", "Attachments are not enabled here.")]
    return Checked(request, _undisturbed(item, request, at))


def _undisturbed(item: Filled, request: Request, at: datetime) -> Origin:
    """With the moment from which on the user may be disturbed, if that is not now."""
    if item.user is None:
        return item.origin
    moment = deferred_until(
        request.scheduled_at or at,
        priority=request.priority,
        category=request.category,
        timezone=item.user.timezone,
        fallback="UTC",
        quiet_hours=item.user.quiet_hours,
        send_windows=item.user.send_windows,
    )
    return replace(item.origin, not_before=moment) if moment else item.origin
