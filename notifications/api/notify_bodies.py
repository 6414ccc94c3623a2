"""What may be asked of notify."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
    field_validator,
    model_validator,
)

from notifications.api.shapes import ChannelName, NotificationId, NotificationRecord
from notifications.api.user_bodies import Addresses
from notifications.channel import (
    METADATA_KEYS,
    Category,
    LocaleTag,
    Metadata,
    OrgId,
    OwnKey,
    Priority,
    Request,
    Slug,
    UserId,
)
from notifications.shelves import channels
from notifications.states import State

RECIPIENTS = 1_000

_CONFIG = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _channel(name: str) -> str:
    if name not in channels:
        raise ValueError(f"must be one of {', '.join(channels)}")
    return name


Channel = Annotated[
    str,
    StringConstraints(max_length=20),
    AfterValidator(_channel),
    Field(json_schema_extra={"enum": [*channels]}),
]


class To(Addresses):  # type: ignore[misc]
    """Somebody: a user, or an address by channel, or a user with another address."""

    user_id: UserId | None = None
    org_id: OrgId | None = None
    data: dict[str, Any] = Field(
        default_factory=dict, description="Of the template's variables those of its own."
    )
    locale: LocaleTag | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.user_id is None and not any(getattr(self, name) for name in channels):
            raise ValueError(f"needs user_id, or an address: {', '.join(channels)}")
        return self


_TEXTS: dict[str, Any] = {
    channel: (dict[str, Any] | None, Field(None, description=f"As a notification by {channel}."))
    for channel in channels
}
Content: Any = create_model(
    "Content",
    __config__=_CONFIG,
    __doc__="What is said, by channel: the fields that the channel has of its own.",
    **_TEXTS,
)


class Notify(BaseModel):
    """One text for many recipients."""

    model_config = _CONFIG

    template: Slug | None = Field(None, examples=["auth.password-changed"])
    content: Content | None = Field(None, description="Instead of a template.")
    channels: list[Channel] = Field(
        default_factory=list,
        max_length=len(channels),
        description="Left out or empty: each on which a recipient can be reached.",
    )
    to: list[To] = Field(min_length=1, max_length=RECIPIENTS)
    strategy: Literal["all", "first_reachable"] = Field(
        "all",
        description="first_reachable: of each recipient's channels the first, in the order of"
        " `channels`, on which it can and may be written to.",
    )
    data: dict[str, Any] = Field(default_factory=dict, description="The template's variables.")
    locale: LocaleTag | None = None
    org_id: OrgId | None = None
    category: Category | None = None
    priority: Priority = "normal"
    metadata: Metadata = Field(default_factory=dict, max_length=METADATA_KEYS)
    scheduled_at: str | None = Field(None, max_length=40)
    expires_at: str | None = Field(None, max_length=40)
    ttl_seconds: int | None = None
    cancel_key: OwnKey | None = None
    dedupe_key: OwnKey | None = None
    dedupe_seconds: int | None = None
    notification_id: OwnKey | None = Field(
        None,
        description="Your own id of what is told: nobody is told it twice on a channel and address"
        " in `dedupe_seconds`, however often it is asked.",
    )

    @field_validator("content")
    @classmethod
    def _of_the_channel_alone(cls, content: Any) -> Any:
        given = content.model_dump(exclude_none=True) if content else {}
        own = {name for text in given.values() for name in text}
        if found := own & {*Request.model_fields, "recipient"}:
            raise ValueError(f"must not have {', '.join(sorted(found))}: that is for all channels")
        return content

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.template is None) is (self.content is None):
            raise ValueError("needs either template or content")
        if self.content is not None and (self.data or any(one.data for one in self.to)):
            raise ValueError("has data only with a template")
        if self.dedupe_key is not None and self.notification_id is not None:
            raise ValueError("may have dedupe_key or notification_id, not both")
        if self.content is not None and not set(self.channels) <= self.texts().keys():
            raise ValueError("needs content for each of its channels")
        if len(set(self.channels)) < len(self.channels):
            raise ValueError("must not name a channel twice")
        return self

    def texts(self) -> dict[str, dict[str, Any]]:
        """The content by channel, of those that have one."""
        return self.content.model_dump(exclude_none=True) if self.content else {}

    def shared(self) -> dict[str, Any]:
        """The fields that each of the notifications has."""
        names = {
            "template", "category", "metadata", "scheduled_at", "expires_at", "ttl_seconds",
            "cancel_key", "dedupe_key", "dedupe_seconds", "priority",
        }  # fmt: skip
        return self.model_dump(include=names, exclude_none=True)


class Told(BaseModel):
    """A notification of the call."""

    id: NotificationId
    index: int = Field(description="Of its recipient in `to`.")
    user_id: str | None
    channel: ChannelName
    recipient: str
    status: State = Field(
        description="In 202 as it was accepted: `accepted`, `scheduled` or `suppressed`."
    )
    reason: str | None = Field(
        description="Why it is `suppressed` (`duplicate`, `preference`, `block`, ...), or `scheduled`"
        " for its user's `quiet_hours`."
    )


class NotTold(BaseModel):
    """A recipient who cannot be reached on a channel; `error` is a problem (RFC 9457)."""

    index: int
    channel: str | None = Field(description="Null where it can be reached on none.")
    error: dict[str, Any]


class Notified(BaseModel):
    """What became of each recipient on each channel."""

    id: str = Field(examples=["req_01M7XPVS3MEJ8V36AJKWHG10T2"])
    status: Literal["accepted", "settled"]
    notifications: list[Told]
    rejected: list[NotTold]


class ShownRequest(BaseModel):
    """A call of notify, with one page of its notifications."""

    id: str
    template: str | None
    strategy: str
    metadata: dict[str, str]
    created_at: str
    counts: dict[str, int] = Field(description="Its notifications by their status now.")
    data: list[NotificationRecord]
    next_cursor: str | None
    has_more: bool
