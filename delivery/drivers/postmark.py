"""Postmark (https://postmarkapp.com/developer/api/email-api, /api/overview#error-codes).

Errors are `{"ErrorCode", "Message"}`. With a 500 the message "is lost during the process". What
is accepted may leave out inactive recipients, in words. `X-PM-KeepID` makes it keep our
Message-ID.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.postmark import EmailBackend
from anymail.webhooks.postmark import PostmarkTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Fault, Message, described
from delivery.http_driver import endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    message_stream: str = described(
        "Message stream", help="Postmark's default when empty.", required=False, default=""
    )
    api_url: str = endpoint("https://api.postmarkapp.com/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    server_token: str = described("Server API token")


class Postmark(AnymailDriver):
    """E-mail through Postmark."""

    label = "Postmark"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = PostmarkTrackingWebhookView
    own_headers = ("Message-ID",)
    error_code = "ErrorCode"
    error_text = "Message"
    faults = {
        "10": Fault.BAD_ACCOUNT,  # bad or missing token
        "100": Fault.TRANSIENT,  # maintenance
        "400": Fault.BAD_ACCOUNT,  # sender signature not found
        "401": Fault.BAD_ACCOUNT,  # sender signature not confirmed
        "405": Fault.BAD_ACCOUNT,  # out of credits
        "406": Fault.BAD_ADDRESS,  # all recipients are inactive
        "412": Fault.BAD_ACCOUNT,  # account is pending
        "413": Fault.BAD_ACCOUNT,  # account may not send
        "429": Fault.THROTTLED,
        "1235": Fault.BAD_ACCOUNT,  # no such message stream
    }
    hints = {
        r"(?i)^(invalid|error parsing) 'to'": Fault.BAD_ADDRESS,
        r"(?i)^(invalid|error parsing) 'from'": Fault.BAD_ACCOUNT,
    }

    def headers(self, opened: Any, message: Message, sender: str) -> dict[str, str]:
        """With the one that makes Postmark keep our Message-ID."""
        return super().headers(opened, message, sender) | {"X-PM-KeepID": "true"}

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """By its type (https://postmarkapp.com/developer/api/bounce-api#bounce-types)."""
        return event.get("Type") == "HardBounce"
