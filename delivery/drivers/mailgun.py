"""Mailgun (https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages).

Errors are `{"message"}` and no code; a wrong key is answered in plain text, and a path that the
API does not know with a cheerful 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.mailgun import EmailBackend
from anymail.webhooks.mailgun import MailgunTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.anymail_receipts import signed_with
from delivery.driver import Fault, described
from delivery.http_driver import Complaint, Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    sender_domain: str = described(
        "Sending domain",
        help="Where it is not the domain of the From address.",
        required=False,
        default="",
    )
    api_url: str = endpoint("https://api.mailgun.net/v3/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key", help="A sending key of the domain is enough.")
    webhook_secret: str = signed_with("HTTP webhook signing key")


HARD = ("bounce", "suppress-bounce")


class Mailgun(AnymailDriver):
    """E-mail through Mailgun."""

    label = "Mailgun"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = MailgunTrackingWebhookView
    webhook_option = "webhook_signing_key"
    own_headers = ("Message-ID",)
    error_code = ""
    hints = {
        r"^'?to'? parameter is not a valid address": Fault.BAD_ADDRESS,
        r"^Sandbox subdomains are for test purposes": Fault.BAD_ACCOUNT,
        r"^Domain .* is not allowed to send": Fault.BAD_ACCOUNT,
    }

    def complaint(self, reply: Reply) -> Complaint | None:
        """The message; a 200 from the wrong path is the fault of the API's address."""
        if b"Mailgun Magnificent API" in reply.body:
            return Complaint("no such API path at this address", fault=Fault.BAD_ACCOUNT)
        return super().complaint(reply)

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """A permanent failure that is the address's."""
        data = event.get("event-data") or {}
        return data.get("severity") == "permanent" and data.get("reason") in HARD
