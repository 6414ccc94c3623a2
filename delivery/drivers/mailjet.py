"""Mailjet (https://dev.mailjet.com/email/guides/send-api-v31/, "Send API errors").

Errors are one object, or a list of them under the message they concern: `{"ErrorCode",
"ErrorMessage", "ErrorRelatedTo"}`. Message-ID and Date are among the headers it forbids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.mailjet import EmailBackend
from anymail.message import AnymailRecipientStatus
from anymail.webhooks.mailjet import MailjetTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Answer, Fault, Message, described
from delivery.http_driver import Complaint, Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint("https://api.mailjet.com/v3.1/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")
    secret_key: str = described("Secret key")


class Mailjet(AnymailDriver):
    """E-mail through Mailjet."""

    label = "Mailjet"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = MailjetTrackingWebhookView
    faults = {
        "mj-0001": Fault.BAD_ACCOUNT,
        "mj-0015": Fault.BAD_ACCOUNT,
        "send-0006": Fault.BAD_ACCOUNT,
        "send-0007": Fault.BAD_ACCOUNT,
        "send-0008": Fault.BAD_ACCOUNT,
    }

    def complaint(self, reply: Reply) -> Complaint | None:
        """All errors of the message; a recipient is bad when nothing else is."""
        messages = reply.get("Messages")
        errors = messages[0]["Errors"] if messages else [reply.json]
        related = [name for error in errors for name in error.get("ErrorRelatedTo", [])]
        bad = bool(related) and all(name.startswith("To[") for name in related)
        return Complaint(
            "; ".join(error["ErrorMessage"] for error in errors),
            errors[0].get("ErrorCode", ""),
            Fault.BAD_ADDRESS if bad else None,
        )

    def rejected(self, status: AnymailRecipientStatus, reply: Reply, message: Message) -> Answer:
        """The reason is given as an error."""
        return self.refused(reply)

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """As it says (https://dev.mailjet.com/email/guides/webhooks/)."""
        return event.get("hard_bounce") is True
