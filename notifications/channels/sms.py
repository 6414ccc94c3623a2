"""Text messages (E.164 numbers)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import phonenumbers
from pydantic import AfterValidator, Field, StringConstraints

from notifications.channel import Request

BODY_CHARACTERS = 1_600
"""Twilio's limit of one message, all segments together (twilio.com/docs/api/errors/21617)."""

_WRITTEN = re.compile(r"\+[0-9 ().-]+", re.ASCII)
_SENDER = re.compile(r"\+[0-9]{4,15}|(?=.*[A-Za-z])[0-9A-Za-z ]{1,11}", re.ASCII)


@lru_cache(maxsize=4096)
def number(text: str) -> str:
    """The number in E.164 form.

    Raises:
        ValueError: not an international number that could exist.
    """
    try:
        parsed = phonenumbers.parse(text, None) if _WRITTEN.fullmatch(text) else None
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_possible_number(parsed):
        raise ValueError("must be a phone number in international form, such as +14155550100")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def sender_name(text: str) -> str:
    """The sender, if it is a number or a name that networks can show.

    Raises:
        ValueError: it is neither.
    """
    if not _SENDER.fullmatch(text) or text != text.strip():
        raise ValueError(
            "must be a number such as +14155550100, or 1 to 11 letters, digits and blanks"
            " with at least one letter"
        )
    return text


Number = Annotated[
    str,
    StringConstraints(min_length=1, max_length=32),
    AfterValidator(number),
    Field(examples=["+14155550100"], json_schema_extra={"pattern": f"^{_WRITTEN.pattern}$"}),
]
SenderName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=16),
    AfterValidator(sender_name),
    Field(
        examples=["+14155550100", "Acme"],
        json_schema_extra={"pattern": f"^(?:{_SENDER.pattern})$"},
    ),
]


class SmsRequest(Request):
    """A text message to one number."""

    channel: Literal["sms"]
    recipient: Number
    body: Annotated[str, StringConstraints(min_length=1, max_length=BODY_CHARACTERS)]
    from_: SenderName | None = Field(
        None, alias="from", description="Among the provider's allowed senders; else its own."
    )

    @property
    def address(self) -> str:
        """The number in E.164 form."""
        return self.recipient

    @property
    def sender(self) -> str:
        """The sender asked for."""
        return self.from_ or ""

    def content(self) -> Mapping[str, Any]:
        """Text, and sender where one was asked for."""
        return {"text": self.body} | ({"sender": self.from_} if self.from_ else {})


class Sms:
    """The text message channel."""

    label: ClassVar[str] = "SMS"
    native: ClassVar[bool] = False
    request: ClassVar[type[Request]] = SmsRequest
