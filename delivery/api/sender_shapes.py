"""What sender configs and domains look like, as they are taken and answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from hiram.lib.locales import LOCALE_CHARACTERS, locale
from notifications.api.shapes import Moment
from notifications.channels.email import Address
from notifications.channels.sms import Number
from notifications.one_line import one_line
from notifications.shelves import channels
from tenants.domains import CHARACTERS, Outcome, normalised
from tenants.sender_configs import CHANNELS_MOST, NAME_CHARACTERS

ProviderId = Annotated[
    str, Field(pattern="^prv_[0-9A-HJKMNP-TV-Z]{26}$", examples=["prv_01M7XPVS3MEJ8V36AJKWHG10T2"])
]
Providers = Annotated[
    dict[str, ProviderId],
    Field(
        max_length=CHANNELS_MOST,
        description="By channel, of your own. While one cannot be called, the others are.",
        json_schema_extra={"propertyNames": {"enum": [*channels]}},
    ),
]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_CHARACTERS, pattern=r"\S"),
    AfterValidator(one_line),
]
Locale = Annotated[
    str,
    StringConstraints(min_length=2, max_length=LOCALE_CHARACTERS),
    AfterValidator(locale),
    Field(examples=["de-AT"]),
]
DomainName = Annotated[
    str,
    StringConstraints(min_length=3, max_length=CHARACTERS),
    AfterValidator(normalised),
    Field(examples=["example.com"], json_schema_extra={"format": "idn-hostname"}),
]


class NewSenderConfig(BaseModel):
    """The body of `PUT`: what is left out is not set."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    providers: Providers = Field(default_factory=dict)
    from_email: Address | None = Field(
        None, description="One that the named provider allows, or else any of your providers."
    )
    from_name: Name | None = Field(None, description="Goes with `from_email` of the same scope.")
    from_phone: Number | None = None
    locale: Locale | None = None


class ShownSenderConfig(BaseModel):
    """A config; `missing_providers` are channels whose provider was deleted since."""

    scope: Literal["user", "org", "app"]
    scope_id: str | None = Field(description="Your own id of the user or organisation.")
    providers: dict[str, ProviderId]
    missing_providers: list[str]
    from_email: str | None
    from_name: str | None
    from_phone: str | None
    locale: str | None
    created_at: Moment
    updated_at: Moment


class SenderConfigPage(BaseModel):
    """One page, newest first."""

    data: list[ShownSenderConfig]
    next_cursor: str | None
    has_more: bool


class NewSenderDomain(BaseModel):
    """The body of `POST /v1/sender-domains`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    domain: DomainName


class DomainRecord(BaseModel):
    """The record that shows whose the domain is."""

    type: Literal["TXT"]
    name: str = Field(examples=["_hiram.example.com"])
    value: str = Field(examples=["hiram-verification=0f2c..."])


class ShownSenderDomain(BaseModel):
    """A domain. Those below a verified one count as verified, too."""

    domain: str = Field(description="In ASCII (IDNA 2008).")
    status: Literal["pending", "verified"]
    record: DomainRecord = Field(description="Set this one, and then verify.")
    verified_at: Moment | None
    checked_at: Moment | None
    created_at: Moment


class SenderDomainPage(BaseModel):
    """One page, newest first."""

    data: list[ShownSenderDomain]
    next_cursor: str | None
    has_more: bool


class LookedUp(ShownSenderDomain):
    """What the DNS says just now."""

    outcome: Outcome
    detail: str = Field(description="The same in words.")
    found: list[str] = Field(description="The texts at the record's name.")
