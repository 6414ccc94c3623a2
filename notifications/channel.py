"""The channel contract: what a channel takes and how it checks it. Pure: no web framework.

A channel is one file in `notifications.channels` that defines one class. Its `request` model is
the body of `POST /v1/notifications` for this channel: the OpenAPI document, the refusals and the
limits all come from it. Its `content` is what delivery hands to the driver, field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from hiram.lib import rfc3339
from hiram.lib.locales import LOCALE_CHARACTERS, locale
from notifications.one_line import one_line

RECIPIENT_CHARACTERS = 320
OWN_KEY_CHARACTERS = 255
USER_ID_CHARACTERS = 256
SLUG_CHARACTERS = 100
METADATA_KEYS = 50
METADATA_KEY_CHARACTERS = 64
METADATA_VALUE_CHARACTERS = 512
BODY_OCTETS = 256 * 1024
LONGEST_SECONDS = 365 * 86_400
"""How far ahead a notification may be scheduled, and how long it may be tried after that."""

DEDUPE_SECONDS = 86_400

LATE_SECONDS = 60
"""A `scheduled_at` that is past by no more is taken as now: clocks differ, requests travel."""

IN_THE_PAST = "in_the_past"
"""The code of the one finding that a request may get later, though it was right at first."""

Priority = Literal["high", "normal", "bulk"]
Category = Literal["transactional", "operational", "marketing"]


def octets(limit: int) -> AfterValidator:
    """A pydantic check that the text has at most `limit` octets in UTF-8."""

    def check(text: str) -> str:
        if len(text) > limit or len(text.encode()) > limit:
            raise PydanticCustomError(
                "string_too_long", "may have at most {octets} octets in UTF-8", {"octets": limit}
            )
        return text

    return AfterValidator(check)


Body = Annotated[str, octets(BODY_OCTETS), Field(json_schema_extra={"maxLength": BODY_OCTETS})]
MetadataKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=METADATA_KEY_CHARACTERS),
    AfterValidator(one_line),
]
MetadataValue = Annotated[str, StringConstraints(max_length=METADATA_VALUE_CHARACTERS)]


def _moment(given: Any) -> datetime | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise PydanticCustomError("string_type", "must be a string")
    return rfc3339.parse(given)


OwnKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=OWN_KEY_CHARACTERS),
    AfterValidator(one_line),
]


def user_id(text: str) -> str:
    """The id, if a tenant may name its user so: it is a part of addresses of the API.

    Raises:
        ValueError: it cannot stand there.
    """
    if "/" in text or text in (".", "..", "batch"):
        raise ValueError("must not hold a slash, nor be `.`, `..` or `batch`")
    return one_line(text)


UserId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=USER_ID_CHARACTERS),
    AfterValidator(user_id),
    Field(description="Your own id of one of your users.", examples=["u1"]),
]
OrgId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=USER_ID_CHARACTERS),
    AfterValidator(one_line),
    Field(description="Your own id of the organisation in whose name it goes.", examples=["acme"]),
]
Slug = Annotated[str, StringConstraints(min_length=1, max_length=SLUG_CHARACTERS)]
LocaleTag = Annotated[
    str, StringConstraints(min_length=1, max_length=LOCALE_CHARACTERS), AfterValidator(locale)
]
Metadata = dict[MetadataKey, MetadataValue]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]


def _past(text: str) -> PydanticCustomError:
    return PydanticCustomError(IN_THE_PAST, "This must be {text}", {"text": text})


class Request(BaseModel):
    """What every channel's send request has; unknown fields are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=False, hide_input_in_errors=True
    )

    channel: str
    user_id: UserId | None = Field(
        None,
        description="Your user: instead of `recipient` its address on the channel, or beside it.",
        examples=["u1"],
    )
    org_id: OrgId | None = None
    template: Slug | None = Field(
        None,
        description="Your template of this slug, instead of a text.",
        examples=["auth.welcome"],
    )
    data: dict[str, Any] | None = Field(None, description="The template's variables.")
    locale: LocaleTag | None = Field(
        None, description="The template's text in this; left out, in the user's.", examples=["de"]
    )
    metadata: Metadata = Field(
        default_factory=dict,
        max_length=METADATA_KEYS,
        description="Your own labels, echoed and filterable.",
        examples=[{"order": "1"}],
    )
    priority: Priority = Field("normal", description="Which of your notifications go first.")
    category: Category = "transactional"
    scheduled_at: Moment = Field(
        None, description="Not before this moment, a year ahead at most; left out, at once."
    )
    expires_at: Moment = Field(
        None, description="Not after this moment: what could not be sent by then is `expired`."
    )
    ttl_seconds: int | None = Field(
        None,
        ge=1,
        le=LONGEST_SECONDS,
        description="Instead of `expires_at`: for so long from `scheduled_at`, or from now.",
    )

    cancel_key: OwnKey | None = Field(
        None,
        description="A name of your own, shared by as many as you like, to cancel them by.",
        examples=["cart-2207"],
    )

    ordering_key: OwnKey | None = Field(
        None,
        description="Those with the same key go one after the other, in the order in which they"
        " were accepted: the next one when the one before has been sent or has ended.",
        examples=["user-42"],
    )

    @model_validator(mode="after")
    def _of_a_template(self) -> Self:
        if self.template is None and (self.data is not None or self.locale is not None):
            raise ValueError("has data and locale only with a template")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What a user and a template fill in need not be given."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        needed = schema.get("required", [])
        text = [name for name in needed if name not in ("channel", "recipient")]
        schema["required"] = ["channel"]
        schema["allOf"] = [
            {"anyOf": [{"required": ["recipient"]}, {"required": ["user_id"]}]},
            {"anyOf": [{"required": text}, {"required": ["template"]}]},
        ]
        return schema

    dedupe_key: OwnKey | None = Field(
        None,
        description="One notification of this key is sent to a recipient on a channel in"
        " `dedupe_seconds`; the others end `suppressed` with the reason `duplicate`.",
        examples=["low-balance"],
    )
    dedupe_seconds: int = Field(DEDUPE_SECONDS, ge=1, le=LONGEST_SECONDS)

    @field_validator("scheduled_at")
    @classmethod
    def _ahead(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        """The moment; None where it is now. Judged where the validation's context has the `at`."""
        at = _now(info)
        if moment is None or at is None:
            return moment
        if moment > at + timedelta(seconds=LONGEST_SECONDS):
            raise ValueError("must be within a year")
        if moment < at - timedelta(seconds=LATE_SECONDS):
            raise _past("in the future")
        return moment if moment > at else None

    @field_validator("expires_at")
    @classmethod
    def _afterwards(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        start, at = info.data.get("scheduled_at"), _now(info)
        if moment is None:
            return None
        if start and moment <= start:
            raise ValueError("must be after scheduled_at")
        if at and moment <= at:
            raise _past("in the future")
        begin = start or at
        if begin and moment > begin + timedelta(seconds=LONGEST_SECONDS):
            raise ValueError("must be within a year after it is to be sent")
        return moment

    @field_validator("ttl_seconds")
    @classmethod
    def _only_one(cls, seconds: int | None, info: ValidationInfo) -> int | None:
        if seconds is not None and info.data.get("expires_at"):
            raise ValueError("must not be given together with expires_at")
        return seconds

    @property
    def address(self) -> str:
        """The normalised recipient."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What lists show of the content; empty where the channel has no subject."""
        return ""

    @property
    def sender(self) -> str:
        """The sender asked for, or empty for the provider's own."""
        return ""

    def content(self) -> Mapping[str, Any]:
        """Fields for the driver's message, named as there, as JSON values."""
        raise NotImplementedError


def _now(info: ValidationInfo) -> datetime | None:
    return info.context["at"] if info.context else None


class Channel(Protocol):
    """What a module of `notifications.channels` defines exactly once; its name is the key."""

    label: ClassVar[str]
    native: ClassVar[bool]
    request: ClassVar[type[Request]]
