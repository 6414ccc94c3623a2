"""E-mail (RFC 5322, RFC 6531 for internationalised addresses)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from notifications.channel import RECIPIENT_CHARACTERS, Body, Request, octets
from notifications.one_line import ONE_LINE_PATTERN, one_line

SUBJECT_OCTETS = HEADER_OCTETS = 998
"""RFC 5322, section 2.1.1: the longest line."""

LOCAL_PART_OCTETS = 64
"""RFC 5321, section 4.5.3.1.1."""

COPIES = 50
HEADERS = 50
ATTACHMENTS = 20
ATTACHMENT_OCTETS = 10 * 1024 * 1024
"""Of all attachments together, after decoding."""

_BASE64_CHARACTERS = -(-ATTACHMENT_OCTETS // 3) * 4

_HEADER_NAMES = frozenset({
    "auto-submitted", "feedback-id", "importance", "in-reply-to", "list-archive", "list-help",
    "list-id", "list-owner", "list-post", "list-subscribe", "list-unsubscribe",
    "list-unsubscribe-post", "organization", "precedence", "priority", "references", "sensitivity",
})  # fmt: skip
_OWN_HEADER = re.compile(r"x-[a-z0-9-]{1,70}", re.ASCII)
# What providers take for orders, and what says how a mail has travelled.
_RESERVED_HEADER = re.compile(
    r"x-(hiram|mailgun|mailjet|mj|mc|msys|pm|sg|smtpapi|ses|amz|sib|mailin|mt|mailersend|postal"
    r"|resend|scw|unione|envelope|original|received|rcpt)\b",
    re.ASCII,
)
_MEDIA_TYPE = re.compile(
    r"(?!multipart/|message/)[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}",
    re.ASCII | re.IGNORECASE,
)
_NOT_IN_FILE_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\u2028-\u202e\u2066-\u2069]")

SPECIAL_USE_DOMAIN_NAMES.clear()  # as the library says: how names such as localhost pass


@lru_cache(maxsize=4096)
def address(text: str) -> str:
    """The normalised address.

    Domains of one label and reserved names pass: a private installation may deliver to them.

    Raises:
        ValueError: not one address of RFC 5321 or 6531 without quotes, comments or literals.
    """
    if "," in text or ";" in text:
        raise ValueError("must be one address, not a list")
    try:
        found = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error
    if len(found.local_part.encode()) > LOCAL_PART_OCTETS:
        raise ValueError(f"may have at most {LOCAL_PART_OCTETS} octets before the @-sign")
    if "=?" in found.local_part:
        # Mail programs decode it, and may then read another address.
        raise ValueError("must not hold an encoded word")
    if found.domain.rpartition(".")[2].isdecimal():
        raise ValueError("must name a domain, not a number, after the @-sign")
    return found.normalized


def header_name(name: str) -> str:
    """The name, if a tenant may set this header.

    Raises:
        ValueError: it belongs to the message itself, to Hiram or to a provider's control.
    """
    low = name.lower()
    if low in _HEADER_NAMES or (_OWN_HEADER.fullmatch(low) and not _RESERVED_HEADER.match(low)):
        return name
    raise ValueError(
        f"header cannot be set; X-* can, and {', '.join(sorted(_HEADER_NAMES))},"
        " except what a provider takes for an order"
    )


def file_name(name: str) -> str:
    """The name, if it is a plain file name.

    Raises:
        ValueError: it has a path, a control character, or is empty.
    """
    if not name.strip(". ") or _NOT_IN_FILE_NAME.search(name):
        raise ValueError("must be a plain file name without a path or control characters")
    return name


def media_type(text: str) -> str:
    """The type, if it is one of a single file.

    Raises:
        ValueError: it is not of the form type/subtype, or contains parts or a message.
    """
    if not _MEDIA_TYPE.fullmatch(text):
        raise ValueError("must be a media type such as application/pdf, not multipart or message")
    return text


def base64(text: str) -> str:
    """The text, if it is base64.

    Raises:
        ValueError: it is not.
    """
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("must be base64 with padding and without line breaks") from error
    return text


Address = Annotated[
    str,
    StringConstraints(min_length=1, max_length=RECIPIENT_CHARACTERS),
    AfterValidator(address),
    Field(examples=["ops@tenant.com"], json_schema_extra={"format": "idn-email"}),
]
HeaderName = Annotated[
    str, StringConstraints(min_length=1, max_length=76), AfterValidator(header_name)
]
HeaderValue = Annotated[
    str,
    AfterValidator(one_line),
    octets(HEADER_OCTETS),
    Field(json_schema_extra={"maxLength": HEADER_OCTETS, "pattern": ONE_LINE_PATTERN}),
]


class Attachment(BaseModel):
    """One file, in base64 (RFC 4648, section 4)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    filename: Annotated[
        str, StringConstraints(min_length=1, max_length=255), AfterValidator(file_name)
    ]
    content_type: Annotated[str, StringConstraints(max_length=129), AfterValidator(media_type)] = (
        "application/octet-stream"
    )
    content: Annotated[
        str,
        StringConstraints(max_length=_BASE64_CHARACTERS),
        AfterValidator(base64),
        Field(description="Base64.", json_schema_extra={"contentEncoding": "base64"}),
    ]

    @property
    def size(self) -> int:
        """Octets after decoding."""
        return len(self.content) * 3 // 4 - self.content[-2:].count("=")


def named_once(headers: dict[str, str]) -> dict[str, str]:
    """The headers, if no two names differ only in case.

    Raises:
        ValueError: two do.
    """
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("must not name a header twice")
    return headers


def fitting(attachments: list[Attachment]) -> list[Attachment]:
    """The attachments, if they are not too large together.

    Raises:
        ValueError: they are.
    """
    if sum(attachment.size for attachment in attachments) > ATTACHMENT_OCTETS:
        raise ValueError(f"may have at most {ATTACHMENT_OCTETS} octets together")
    return attachments


Headers = Annotated[
    dict[HeaderName, HeaderValue],
    Field(max_length=HEADERS, description=f"X-* and {', '.join(sorted(_HEADER_NAMES))}."),
    AfterValidator(named_once),
]
Attachments = Annotated[
    list[Attachment],
    Field(
        max_length=ATTACHMENTS,
        description=f"At most {ATTACHMENT_OCTETS} octets together, after decoding.",
    ),
    AfterValidator(fitting),
]


class EmailRequest(Request):
    """An e-mail to one recipient, whose state it follows."""

    channel: Literal["email"]
    recipient: Address
    subject: Annotated[
        str,
        StringConstraints(min_length=1),
        AfterValidator(one_line),
        octets(SUBJECT_OCTETS),
        Field(
            description=f"One line of at most {SUBJECT_OCTETS} octets in UTF-8.",
            examples=["Order confirmed"],
            json_schema_extra={"maxLength": SUBJECT_OCTETS, "pattern": ONE_LINE_PATTERN},
        ),
    ]
    body: Body | None = Field(
        None, description="The text part; at least one of body and html is needed."
    )
    html: Body | None = Field(None, description="The HTML part.")
    from_: Address | None = Field(
        None, alias="from", description="Among the provider's allowed senders; else its own."
    )
    reply_to: Address | None = None
    cc: list[Address] = Field(
        default_factory=list, max_length=COPIES, description="What became of them: see attempts."
    )
    bcc: list[Address] = Field(default_factory=list, max_length=COPIES)
    headers: Headers = Field(default_factory=dict)
    attachments: Attachments = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.body and not self.html:
            raise ValueError("needs body or html")
        return self

    @property
    def address(self) -> str:
        """The normalised recipient."""
        return self.recipient

    @property
    def title(self) -> str:
        """The subject."""
        return self.subject

    @property
    def sender(self) -> str:
        """The From address asked for."""
        return self.from_ or ""

    def content(self) -> Mapping[str, Any]:
        """What is given, empty fields left out."""
        fields = {
            "subject": self.subject,
            "text": self.body,
            "html": self.html,
            "sender": self.from_,
            "reply_to": self.reply_to,
            "cc": self.cc,
            "bcc": self.bcc,
            "headers": self.headers,
            "attachments": [a.model_dump() for a in self.attachments],
        }
        return {name: value for name, value in fields.items() if value}


class Email:
    """The e-mail channel."""

    label: ClassVar[str] = "E-mail"
    native: ClassVar[bool] = False
    request: ClassVar[type[Request]] = EmailRequest
