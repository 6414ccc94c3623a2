"""What may be said of a tenant's user."""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
)

from hiram.lib.problems import FieldError, Problem
from notifications.channel import USER_ID_CHARACTERS, LocaleTag, UserId, user_id
from notifications.shelves import channels

ATTRIBUTES_OCTETS = 16 * 1024
BATCH_USERS = 1_000

_zones = cache(available_timezones)


def timezone(name: str) -> str:
    """The name, if it is one of a time zone.

    Raises:
        ValueError: it is not in the IANA database.
    """
    if name not in _zones():
        raise ValueError("must be a time zone of the IANA database, such as Europe/Vienna")
    return name


def fitting(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes, if they are not too large together.

    Raises:
        ValueError: they are.
    """
    if len(json.dumps(attributes, ensure_ascii=False).encode()) > ATTRIBUTES_OCTETS:
        raise ValueError(f"may have at most {ATTRIBUTES_OCTETS} octets as JSON")
    return attributes


Locale = Annotated[LocaleTag, Field(description="A language tag (BCP 47).", examples=["de-AT"])]
Timezone = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(timezone),
    Field(description="A name of the IANA database.", examples=["Europe/Vienna"]),
]
Attributes = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], Any],
    AfterValidator(fitting),
    Field(description=f"Anything of your own; {ATTRIBUTES_OCTETS} octets at most."),
]
_CONFIG = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _address(channel: str) -> Any:
    field = channels[channel].request.model_fields["recipient"]
    return Annotated[(field.annotation, *field.metadata)] | None


_BY_CHANNEL: dict[str, Any] = {channel: (_address(channel), None) for channel in channels}

Addresses: Any = create_model(
    "Addresses",
    __config__=_CONFIG,
    __doc__="Where somebody can be reached, by channel.",
    **_BY_CHANNEL,
)
_ADDRESSES = Field(
    default_factory=Addresses, examples=[{"email": "ana@x.example", "sms": "+14155550100"}]
)


class User(BaseModel):
    """All that is known of a user."""

    model_config = _CONFIG

    addresses: Addresses = _ADDRESSES
    locale: Locale | None = None
    timezone: Timezone | None = None
    attributes: Attributes = Field(default_factory=dict)


class NamedUser(User):
    """A user in a batch."""

    user_id: UserId


class UserChange(BaseModel):
    """What changes; in addresses and attributes null removes a name."""

    model_config = _CONFIG

    addresses: Addresses = _ADDRESSES
    locale: Locale | None = None
    timezone: Timezone | None = None
    attributes: Attributes = Field(default_factory=dict)


class UsersBatch(BaseModel):
    """Many users, each put as it is given."""

    model_config = _CONFIG

    users: list[NamedUser] = Field(min_length=1, max_length=BATCH_USERS)


class ShownUser(BaseModel):
    """A user."""

    user_id: str
    addresses: dict[str, str]
    locale: str | None
    timezone: str | None
    attributes: dict[str, Any]
    created_at: str
    updated_at: str


class UserPage(BaseModel):
    """One page, newest first."""

    data: list[ShownUser]
    next_cursor: str | None
    has_more: bool


class Certificate(BaseModel):
    """What was erased. Only the answer to the call itself says whose."""

    id: str = Field(examples=["ers_01M7XPVS3MEJ8V36AJKWHG10T2"])
    user_id: str | None = None
    status: str = Field(description="erased; complete once nobody can be at work on it any more")
    counts: dict[str, int] = Field(description="Rows by what they were.")
    erased_at: str
    completed_at: str | None


class PutUser(BaseModel):
    """One user of a batch."""

    user_id: str
    created: bool


class PutUsers(BaseModel):
    """The users of a batch, in its order."""

    data: list[PutUser]


def checked_id(text: str) -> str:
    """The id of an address of the API, if a user can have it.

    Raises:
        Problem: 422.
    """
    try:
        if not 0 < len(text) <= USER_ID_CHARACTERS:
            raise ValueError(f"must have 1 to {USER_ID_CHARACTERS} characters")
        return user_id(text)
    except ValueError as error:
        raise Problem("invalid", errors=[FieldError("", "invalid", f"The id {error}.")]) from error
