"""The channel contract: what a channel takes and how it checks it. Pure: no web framework.

A channel is one file in `notifications.channels` that defines one class. Its `request` model is
the body of `POST /v1/notifications` for this channel: the OpenAPI document, the refusals and the
limits all come from it. Its `content` is what delivery hands to the driver, field by field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

RECIPIENT_CHARACTERS = 320
METADATA_KEYS = 50
METADATA_KEY_CHARACTERS = 64
METADATA_VALUE_CHARACTERS = 512
BODY_OCTETS = 256 * 1024

Priority = Literal["high", "normal", "bulk"]
Category = Literal["transactional", "operational", "marketing"]

ONE_LINE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_OCTET = re.compile(rb"[\x00-\x1f\x7f]")


def one_line(text: str) -> str:
    """The text, if it has no line break or other control character.

    An encoded word (RFC 2047) is looked into, since a mail program will decode it.

    Raises:
        ValueError: it has one.
    """
    if _CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    if "=?" in text:
        _check_encoded_words(text)
    return text


def _check_encoded_words(text: str) -> None:
    try:
        parts = decode_header(text)
    except (HeaderParseError, ValueError) as error:
        raise ValueError("must not hold an encoded word that cannot be decoded") from error
    for part, charset in parts:
        raw = part.encode() if isinstance(part, str) else part
        if _CONTROL_OCTET.search(raw) or _CONTROL.search(_decoded(raw, charset)):
            raise ValueError("must not hide a control character in an encoded word")


def _decoded(raw: bytes, charset: str | None) -> str:
    # A charset such as UTF-7 hides a line break in octets that are all printable.
    name, _, _ = (charset or "ascii").partition("*")
    try:
        return raw.decode(name, "replace")
    except (LookupError, ValueError):
        return ""


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


class Request(BaseModel):
    """What every channel's send request has; unknown fields are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=False, hide_input_in_errors=True
    )

    channel: str
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=METADATA_KEYS,
        description="Your own labels, echoed and filterable.",
        examples=[{"order": "1"}],
    )
    priority: Priority = Field("normal", description="Which of your notifications go first.")
    category: Category = "transactional"

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


class Channel(Protocol):
    """What a module of `notifications.channels` defines exactly once; its name is the key."""

    label: ClassVar[str]
    native: ClassVar[bool]
    request: ClassVar[type[Request]]
