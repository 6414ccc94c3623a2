"""What the endpoints of webhooks and events take and answer."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from notifications.api.shapes import ModeName, Moment, NotificationId, Outcome
from notifications.channel import Moment as GivenMoment
from notifications.events import EVENTS
from notifications.one_line import one_line

URL_CHARACTERS = 2_000
STATUSES = ("accepted", "sent", "failed", "expired", "canceled")
HEADERS_MOST = 20

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", re.ASCII)
_TAKEN = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie",
    "date", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    "user-agent", "via", "x-hiram-signature",
})  # fmt: skip
_TAKEN_PREFIXES = ("webhook-", "proxy-", "sec-", "x-forwarded-", "x-hiram-", "svix-")


def _header(name: str) -> str:
    low = name.lower()
    if not _TOKEN.fullmatch(name):
        raise ValueError("must be a header's name")
    if low in _TAKEN or low.startswith(_TAKEN_PREFIXES):
        raise ValueError("must be none that Hiram or HTTP sets")
    return name


def _latin(text: str) -> str:
    try:
        one_line(text).encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError("must have only characters of ISO 8859-1") from error
    return text


def _event(name: str) -> str:
    if name not in EVENTS:
        raise ValueError("must be an event's type, as the documentation lists them")
    return name


Headers = Annotated[
    dict[
        Annotated[str, AfterValidator(_header)],
        Annotated[str, StringConstraints(max_length=1_024), AfterValidator(_latin)],
    ],
    Field(
        max_length=HEADERS_MOST,
        description="Sent with every post. Their values are kept sealed and never shown.",
        json_schema_extra={"writeOnly": True},
    ),
]
EventName = Annotated[str, AfterValidator(_event), Field(json_schema_extra={"enum": [*EVENTS]})]
Events = Annotated[
    list[EventName], Field(max_length=len(EVENTS), description="Which ones; none means all.")
]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=URL_CHARACTERS),
    AfterValidator(one_line),
    Field(examples=["https://example.com/hiram"]),
]
Description = Annotated[str, StringConstraints(max_length=200), AfterValidator(one_line)]
RateLimit = Annotated[
    float,
    Field(strict=False, gt=0, le=1_000, allow_inf_nan=False, description="Posts in a second."),
]
Ordered = Annotated[
    bool,
    Field(description="The events of one notification one after the other, in their order."),
]
Asymmetric = Annotated[
    bool, Field(description="Sign with ed25519 (`v1a`) too; `public_key` verifies it.")
]


class NewWebhook(BaseModel):
    """The body of `POST /v1/webhooks`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    url: Url
    events: Events = Field(default_factory=list)
    description: Description = ""
    headers: Headers = Field(default_factory=dict)
    rate_limit: RateLimit | None = None
    ordered: Ordered = False
    asymmetric: Asymmetric = False

    @field_validator("events")
    @classmethod
    def _once(cls, names: list[str]) -> list[str]:
        return sorted(set(names))


class WebhookChange(BaseModel):
    """The body of `PATCH /v1/webhooks/{id}`: what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    # No default is ever written, only what was given; null is not among the types.
    url: Url = Field(default_factory=str)
    events: Events = Field(default_factory=list)
    description: Description = Field(default_factory=str)
    headers: Headers = Field(default_factory=dict)
    rate_limit: RateLimit | None = None
    ordered: Ordered = Field(default_factory=bool)
    asymmetric: Asymmetric = Field(default_factory=bool)
    enabled: bool = Field(default_factory=bool, description="true also forgets its failures.")

    @field_validator("events")
    @classmethod
    def _once(cls, names: list[str]) -> list[str]:
        return sorted(set(names))


class Recovery(BaseModel):
    """The body of `POST /v1/webhooks/{id}/recover`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    since: GivenMoment = Field(description="What happened from this moment on.")

    @field_validator("since")
    @classmethod
    def _given(cls, since: datetime | None) -> datetime:
        if since is None:
            raise ValueError("must be a moment")
        return since


class Webhook(BaseModel):
    """An endpoint; of its headers only the names."""

    id: str = Field(examples=["whk_01M7XPVS3MEJ8V36AJKWHG10T2"])
    url: str
    description: str
    events: list[str]
    headers_set: list[str]
    rate_limit: float | None
    ordered: bool
    asymmetric: bool
    public_key: str | None
    enabled: bool
    disabled_at: Moment | None
    disabled_reason: str | None = Field(description="by_hand, gone (it answered 410) or failing")
    first_failed_at: Moment | None = Field(description="The first of a row of failures.")
    created_at: Moment
    updated_at: Moment


class MadeWebhook(Webhook):
    """A fresh one, with its secret."""

    secret: str = Field(description="Shown only here.")


class WebhookPage(BaseModel):
    """One page, newest first."""

    data: list[Webhook]
    next_cursor: str | None
    has_more: bool


class RotatedSecret(BaseModel):
    """The new secret; those before sign on for 24 hours."""

    id: str
    secret: str = Field(description="Shown only here.")


class TestSent(BaseModel):
    """A test is on its way."""

    id: str
    event_id: str


class Recovered(BaseModel):
    """How many are told again."""

    id: str
    recovered: int
    has_more: bool = Field(description="More match than one call handles: repeat it.")


class PostAttempt(BaseModel):
    """One post; `response` is the beginning of what was answered."""

    id: str
    number: int
    outcome: Outcome
    status: int | None
    duration_ms: int | None
    error: str | None
    response: str | None
    started_at: Moment
    finished_at: Moment | None


class Delivery(BaseModel):
    """One event told to one endpoint."""

    id: str
    event_id: str
    type: str | None
    status: Annotated[str, Field(json_schema_extra={"enum": [*STATUSES]})]
    reason: str | None
    created_at: Moment
    expires_at: Moment
    settled_at: Moment | None
    attempts: list[PostAttempt]


class DeliveryPage(BaseModel):
    """One page, newest first."""

    data: list[Delivery]
    next_cursor: str | None
    has_more: bool


class EventData(BaseModel):
    """What every event says; there is more, by its type."""

    model_config = ConfigDict(extra="allow")

    mode: ModeName
    notification_id: NotificationId | None = None


class EventRecord(BaseModel):
    """An event, as webhooks have it, with its id."""

    id: str = Field(examples=["evt_01M7XPVS3MEJ8V36AJKWHG10T2"])
    type: str
    timestamp: Moment
    data: EventData


class EventPage(BaseModel):
    """One page, oldest first. Ask again with `next_cursor`, also after the last page: it goes on
    where this one ends, and nothing is skipped."""

    data: list[EventRecord]
    next_cursor: str
    has_more: bool
