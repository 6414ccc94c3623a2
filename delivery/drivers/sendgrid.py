"""SendGrid (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send, /errors).

Errors are `{"errors": [{"message", "field", "help"}]}` without codes. A 202 has no body; the
message's id is in `X-Message-Id`. Message-ID is not among the headers it reserves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.sendgrid import EmailBackend
from anymail.message import AnymailRecipientStatus
from anymail.webhooks.sendgrid import SendGridTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.anymail_receipts import signed_with
from delivery.driver import Fault, described
from delivery.http_driver import Complaint, Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint("https://api.sendgrid.com/v3/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")
    webhook_secret: str = signed_with("Verification key of the event webhook")


class SendGrid(AnymailDriver):
    """E-mail through Twilio SendGrid."""

    label = "SendGrid"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = SendGridTrackingWebhookView
    webhook_option = "tracking_webhook_verification_key"
    options = {"generate_message_id": False}  # its random id would differ on every try
    own_headers = ("Message-ID",)

    def complaint(self, reply: Reply) -> Complaint | None:
        """All errors; a recipient is bad when nothing else is."""
        errors = reply.json["errors"]
        names = [error.get("field") or "" for error in errors]
        bad = all(name.startswith("personalizations.0.to.") for name in names)
        text = "; ".join(error["message"] for error in errors)
        return Complaint(text, fault=Fault.BAD_ADDRESS if bad and names else None)

    def message_id(self, status: AnymailRecipientStatus, reply: Reply) -> str:
        """Events have it as the beginning of their `sg_message_id`."""
        return reply.headers.get("X-Message-Id", "")

    def message_of(self, event: Any) -> Any:
        """Its own id is followed by those of the servers that had the message."""
        return str(event.esp_event.get("sg_message_id") or "").partition(".")[0]

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """Not what it calls blocked, which passes."""
        return event.get("event") == "bounce" and event.get("type") == "bounce"
