"""What the endpoints of templates take besides texts, and what they answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from notifications.api.shapes import ChannelName, Moment
from notifications.catalog.shapes import Locale
from notifications.catalog.versions import VERSIONS_MOST
from notifications.channel import RECIPIENT_CHARACTERS, Category

_STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

TemplateId = Annotated[
    str,
    Field(pattern="^tpl_[0-9A-HJKMNP-TV-Z]{26}$", examples=["tpl_01M7XPVS3MEJ8V36AJKWHG10T2"]),
]
Number = Annotated[int, Field(ge=0, le=VERSIONS_MOST, examples=[1])]
Data = Annotated[
    dict[str, Any],
    Field(
        description="Values of the template's variables.",
        examples=[{"reset_url": "https://acme.example/r/1"}],
    ),
]


class Publication(BaseModel):
    """The body of `POST /v1/templates/{id}/publish`."""

    model_config = _STRICT

    version: Number | None = Field(None, description="A draft; the latest version unless given.")


class Rollback(BaseModel):
    """The body of `POST /v1/templates/{id}/rollback`."""

    model_config = _STRICT

    version: Number | None = Field(
        None, description="An archived version; the one before the published unless given."
    )


class PreviewAsked(BaseModel):
    """The body of `POST /v1/templates/{id}/preview`."""

    model_config = _STRICT

    version: Number | None = Field(
        None, description="The published one unless given, else the latest draft."
    )
    locale: Locale | None = None
    data: Data = Field(default_factory=dict)


class TestAsked(PreviewAsked):
    """The body of `POST /v1/templates/{id}/send-test`."""

    __test__ = False

    recipient: str = Field(max_length=RECIPIENT_CHARACTERS, examples=["you@example.com"])


class ResetAsked(BaseModel):
    """The body of `POST /v1/templates/reset`."""

    model_config = _STRICT

    slug: str | None = Field(
        None, max_length=100, description="Of one system text; all of them unless given."
    )


class PartsRecord(BaseModel):
    """The text in one locale, in Liquid."""

    subject: str | None = None
    html: str | None = None
    mjml: str | None = None
    text: str | None = None


class TemplateRecord(BaseModel):
    """A template; `version` is the published one, or the latest draft where none is."""

    id: TemplateId
    slug: str
    channel: ChannelName
    name: str
    category: Category
    enabled: bool
    disabled_reason: str | None
    system: str | None = Field(description="Of which text that came with Hiram it is.")
    version: int
    state: Literal["draft", "published"]
    published_version: int | None
    latest_version: int
    created_at: Moment
    updated_at: Moment


class WholeTemplate(TemplateRecord):
    """A template with its version's text."""

    default_locale: str
    variables: dict[str, Any]
    locales: dict[str, PartsRecord]


class TemplatePage(BaseModel):
    """One page, newest first."""

    data: list[TemplateRecord]
    next_cursor: str | None
    has_more: bool


class VersionRecord(BaseModel):
    """A version and its text; published or archived it does not change any more."""

    template_id: TemplateId
    version: int
    state: Literal["draft", "published", "archived"]
    default_locale: str
    variables: dict[str, Any]
    locales: dict[str, PartsRecord]
    created_at: Moment
    published_at: Moment | None


class VersionPage(BaseModel):
    """One page, newest first."""

    data: list[VersionRecord]
    next_cursor: str | None
    has_more: bool


class Difference(BaseModel):
    """Unified diffs of what differs; null or left out where nothing does."""

    model_config = ConfigDict(populate_by_name=True)

    from_: int = Field(alias="from")
    to: int
    default_locale: str | None
    variables: str | None
    locales: dict[str, PartsRecord]


class PreviewRecord(BaseModel):
    """What a version says; parts that the channel has not are null."""

    version: int
    locale: str = Field(description="The one that was used.")
    subject: str | None
    html: str | None
    text: str | None
    size_octets: int


class ResetRecord(BaseModel):
    """The templates that say again what came with Hiram."""

    data: list[TemplateRecord]


class PartialRecord(BaseModel):
    """A piece that templates share."""

    name: str
    body: str
    updated_at: Moment


class PartialList(BaseModel):
    """All partials, by name."""

    data: list[PartialRecord]


class BrandRecord(BaseModel):
    """What templates see as `brand`."""

    variables: dict[str, Any]
    updated_at: Moment | None
