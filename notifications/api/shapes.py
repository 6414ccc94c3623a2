"""What the API answers, as the OpenAPI document publishes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from notifications.channel import Category, Priority
from notifications.models import Attempt as AttemptRow
from notifications.models import Mode
from notifications.shelves import channels
from notifications.states import State

Moment = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-31T12:00:00.000000Z"]),
]
Outcome = Annotated[str, Field(json_schema_extra={"enum": [*AttemptRow.Outcome.values]})]
ChannelName = Annotated[str, Field(json_schema_extra={"enum": [*channels]})]
ModeName = Annotated[str, Field(json_schema_extra={"enum": [*Mode.values]})]
NotificationId = Annotated[
    str,
    Field(pattern="^ntf_[0-9A-HJKMNP-TV-Z]{26}$", examples=["ntf_01M7XPVS3MEJ8V36AJKWHG10T2"]),
]


FirstStatus = Literal["accepted", "scheduled", "suppressed"]
FirstReason = Annotated[
    str | None,
    Field(
        description="There where it is suppressed (`duplicate`, `preference`, `block`, ...), or"
        " scheduled because of the user's `quiet_hours`."
    ),
]


class Accepted(BaseModel):
    """The notification is committed to the database: it is owed from here on, if it may go out."""

    id: NotificationId
    status: FirstStatus
    reason: FirstReason = None


class CopyRecord(BaseModel):
    """What became of one address of cc or bcc."""

    address: str
    accepted: bool
    code: str
    detail: str


class PassedOver(BaseModel):
    """A provider that would have come first or beside, and why it did not."""

    provider: str
    reason: str = Field(
        description="paused, failing, slow, probing, refused, limited, unreadable; of the scoped"
        " one also disabled, deleted, or sender_not_allowed"
    )


class RouteRecord(BaseModel):
    """Why this provider."""

    reason: str = Field(
        description="scoped: the one of this user, organisation or app; only_provider; primary: the first by priority; weighted: drawn among equals;"
        " shifted: the first has a smaller share for now; failover: those before it cannot or"
        " refused it; probe: to try one that failed; after_unknown: it may have the message;"
        " last_resort: slow, but the only one; simulator"
    )
    scope: str | None = Field(description="Whose sender config it went by: user, org or app.")
    passed_over: list[PassedOver]


class AttemptRecord(BaseModel):
    """One call of a provider, on record before its first byte went out."""

    id: str = Field(examples=["att_01M7XPVS3MEJ8V36AJKWHG10T2"])
    number: int
    provider: str | None
    driver: str | None
    outcome: Outcome = Field(description="unknown and abandoned may have taken effect.")
    fault: str | None
    code: str | None
    enhanced_code: str | None
    error: str | None
    duration_ms: int | None
    route: RouteRecord | None = Field(description="None where nothing could carry it for real.")
    shadow: bool
    payload_sha256: str | None
    provider_message_id: str | None
    copies: list[CopyRecord] | None = Field(description="What became of cc and bcc.")
    started_at: Moment
    finished_at: Moment | None


class Ended(BaseModel):
    """The notification has ended."""

    id: NotificationId
    status: Literal["failed"]


class Decided(BaseModel):
    """What was decided about, or would be."""

    dry_run: bool
    data: list[NotificationId]
    has_more: bool = Field(description="More match than one call handles: repeat it.")


class ProviderUsed(BaseModel):
    """Through which provider it went; no id where that was the simulator."""

    id: str | None
    name: str | None
    driver: str


class NotificationRecord(BaseModel):
    """A notification, and everything that was tried."""

    id: NotificationId
    request_id: str | None
    mode: ModeName
    channel: ChannelName
    recipient: str
    user_id: str | None
    org_id: str | None
    template: str | None = Field(description="The slug of the template that it was made from.")
    template_version: int | None
    locale: str | None = Field(description="Of the template's text.")
    subject: str
    category: Category
    priority: Priority
    status: State
    reason: str | None = Field(description="Why it waits or did not go.")
    metadata: dict[str, str]
    provider: ProviderUsed | None
    latency_ms: int | None = Field(description="From accepted to sent.")
    created_at: Moment
    scheduled_at: Moment | None
    expires_at: Moment
    next_attempt_at: Moment | None
    sent_at: Moment | None
    delivered_at: Moment | None
    body_erased_at: Moment | None = Field(
        description="When its subject and body were erased, having been kept for long enough."
    )
    attempts: list[AttemptRecord]


class NotificationPage(BaseModel):
    """One page, newest first."""

    data: list[NotificationRecord]
    next_cursor: str | None
    has_more: bool


class AttemptPage(BaseModel):
    """One page, newest first."""

    data: list[AttemptRecord]
    next_cursor: str | None
    has_more: bool


class Canceled(BaseModel):
    """What was stopped, and what was not: the two have nothing in common."""

    stopped: list[NotificationId] = Field(
        description="No provider was or will be called: now, or when it was canceled before."
    )
    already_left: list[NotificationId] = Field(
        description="Taken by a provider, perhaps taken, on its way, or ended otherwise."
    )


class CanceledMany(Canceled):
    """What was stopped, what was not, and whether to call again."""

    has_more: bool = Field(description="More can be stopped than one call handles: repeat it.")


class DeadLetterRecord(BaseModel):
    """A notification that ended `failed`, with what was to be sent and what was tried last."""

    notification_id: NotificationId
    reason: str
    detail: str
    created_at: Moment
    channel: ChannelName
    recipient: str
    category: Category
    metadata: dict[str, str]
    payload: dict[str, Any] | None = Field(
        description="As the channel wrote it for the driver, each of its texts cut at 4,096"
        " characters; null once it is erased."
    )
    body_erased_at: Moment | None = Field(description="Since then it cannot be replayed.")
    attempts: list[AttemptRecord]


class DeadLetterPage(BaseModel):
    """One page, newest first."""

    data: list[DeadLetterRecord]
    next_cursor: str | None
    has_more: bool


class Replayed(BaseModel):
    """What is owed again, or would be."""

    id: str | None = Field(
        description="Of the replay, `rpl_...`; null when there was nothing to do."
    )
    dry_run: bool
    matched: int = Field(description="Dead letters that match, before the call.")
    replayed: int
    data: list[NotificationId] = Field(description="The oldest of them; 1,000 a call at most.")
    has_more: bool = Field(description="More match than one call handles: repeat it.")


class ReplayProgress(BaseModel):
    """How far a replay has come."""

    id: str
    created_at: Moment
    replayed: int = Field(description="Notifications that are part of it.")
    owed: int = Field(description="Those of them that have not ended yet.")
    statuses: dict[str, int] = Field(description="How many have which status now.")


class AcceptedItem(BaseModel):
    """An item of the batch that was accepted."""

    index: int
    id: NotificationId
    status: FirstStatus
    reason: FirstReason = None


class RejectedItem(BaseModel):
    """An item of the batch that was not; `error` is a problem (RFC 9457)."""

    index: int
    error: dict[str, Any]


class BatchAnswer(BaseModel):
    """What became of each item, in their order."""

    accepted: int
    rejected: int
    data: list[AcceptedItem | RejectedItem]
