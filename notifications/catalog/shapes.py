"""What a template, a version, a partial and a brand may be, wherever they come from."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from hiram.lib.locales import LOCALE_CHARACTERS, LOCALE_PATTERN, locale
from notifications.catalog.rendered import FIELDS
from notifications.channel import Category, octets
from notifications.one_line import one_line
from notifications.shelves import channels

SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9.-]{0,98}[a-z0-9])?$"
NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9_-]{0,98}[a-z0-9])?$"
PART_OCTETS = 256 * 1024
PARTIAL_OCTETS = 64 * 1024
LOCALES_MOST = 50
VERSION_OCTETS = 1024 * 1024
"""Of all locales of a version together."""

BRAND_VARIABLES = 100
BRAND_CHARACTERS = 2_000

_BRAND_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
_STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

CHANNELS = tuple(name for name in FIELDS if name in channels)
"""On which there are templates."""


def _channel(name: str) -> str:
    if name not in CHANNELS:
        raise ValueError(f"must be one of {', '.join(CHANNELS)}")
    return name


def _tag(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    return locale(given)


Slug = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=SLUG_PATTERN),
    Field(examples=["auth.password-reset"]),
]
ChannelGiven = Annotated[
    str, AfterValidator(_channel), Field(json_schema_extra={"enum": [*CHANNELS]})
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(one_line)]
Reason = Annotated[str, StringConstraints(max_length=500), AfterValidator(one_line)]
Locale = Annotated[
    str,
    BeforeValidator(_tag),
    Field(
        description="A language tag (BCP 47); written as `de-AT` whatever its case.",
        examples=["de"],
        json_schema_extra={"maxLength": LOCALE_CHARACTERS, "pattern": f"^(?:{LOCALE_PATTERN})$"},
    ),
]
_Subject = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
_Text = Annotated[str, StringConstraints(min_length=1), octets(PART_OCTETS)]
Body = Annotated[
    str,
    StringConstraints(min_length=1),
    octets(PARTIAL_OCTETS),
    Field(description="Liquid.", json_schema_extra={"maxLength": PARTIAL_OCTETS}),
]


class Parts(BaseModel):
    """The text in one locale, in Liquid. An e-mail needs `subject`, and `text`, `html` or `mjml`;
    a text message is its `text`."""

    model_config = _STRICT

    # What is left out is not written down; null is not among the types.
    subject: _Subject = Field(default_factory=str)
    html: _Text = Field(default_factory=str)
    mjml: _Text = Field(default_factory=str, description="Instead of `html`.")
    text: _Text = Field(default_factory=str)

    @model_validator(mode="after")
    def _one_html(self) -> Self:
        if self.html and self.mjml:
            raise ValueError("may have html or mjml, not both")
        if not (self.html or self.mjml or self.text):
            raise ValueError("needs text, html or mjml")
        return self


Locales = Annotated[
    dict[str, Parts],
    Field(min_length=1, max_length=LOCALES_MOST, description="The text by language tag."),
]
Variables = Annotated[
    dict[str, Any],
    Field(
        description="A JSON Schema (draft 2020-12) of type object that declares the variables:"
        " what is required, types, defaults. Without `pattern`, `patternProperties` and references"
        " to elsewhere."
    ),
]


class _Versioned(BaseModel):
    model_config = _STRICT

    @field_validator("locales", mode="before", check_fields=False)
    @classmethod
    def _tags(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        found = {locale(tag): parts for tag, parts in given.items() if isinstance(tag, str)}
        if len(found) < len(given):
            raise ValueError("must not name a locale twice")
        return found

    @field_validator("locales", check_fields=False)
    @classmethod
    def _together(cls, given: dict[str, Parts]) -> dict[str, Parts]:
        size = len(json.dumps(dumped(given), ensure_ascii=False).encode())
        if size > VERSION_OCTETS:
            raise ValueError(f"may have at most {VERSION_OCTETS} octets together")
        return given


class NewTemplate(_Versioned):
    """The body of `POST /v1/templates`."""

    slug: Slug
    channel: ChannelGiven
    name: Name = Field(
        "", description="For people; the slug unless given.", validate_default=False
    )
    category: Category = "transactional"
    default_locale: Locale = "en"
    variables: Variables = Field(default_factory=dict)
    locales: Locales


class TemplateChange(BaseModel):
    """The body of `PATCH /v1/templates/{id}`: what is left out stays."""

    model_config = _STRICT

    name: Name = Field(default_factory=str)
    category: Category = Field(default_factory=lambda: "transactional")
    enabled: bool = Field(default_factory=bool, description="A disabled template refuses sends.")
    disabled_reason: Reason = Field(
        default_factory=str, description="What those who send are told; gone when it is enabled."
    )


class VersionChange(_Versioned):
    """A version's text: what is left out is that of the latest version, or stays."""

    default_locale: Locale = Field(default_factory=str)
    variables: Variables = Field(default_factory=dict)
    locales: Locales = Field(default_factory=dict)


class BrandGiven(BaseModel):
    """The body of `PUT /v1/brand`."""

    model_config = _STRICT

    variables: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=_BRAND_NAME)],
            Annotated[str, StringConstraints(max_length=BRAND_CHARACTERS)] | int | float,
        ],
        Field(
            max_length=BRAND_VARIABLES,
            description="Words and numbers that templates see as `brand.NAME`.",
            examples=[{"name": "Acme", "color": "#0a7", "address": "1 Main Street"}],
        ),
    ]


class PartialGiven(BaseModel):
    """The body of `PUT /v1/template-partials/{name}`."""

    model_config = _STRICT

    body: Body


def dumped(locales: dict[str, Parts]) -> dict[str, dict[str, str]]:
    """As they are kept."""
    return {tag: parts.model_dump(exclude_unset=True) for tag, parts in locales.items()}


def is_partial_name(name: str) -> bool:
    """Whether a partial can be called so."""
    return re.fullmatch(NAME_PATTERN, name) is not None
