"""Mandrill, Mailchimp Transactional (https://mailchimp.com/developer/transactional/api/messages/).

Errors are `{"status": "error", "code", "name", "message"}`, always with HTTP 500. A 200 has a
status for each recipient, and for those refused a `reject_reason`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.mandrill import EmailBackend
from anymail.message import AnymailRecipientStatus
from anymail.webhooks.mandrill import MandrillCombinedWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.anymail_receipts import signed_with
from delivery.driver import Account, Answer, Failed, Fault, Message, Request, described
from delivery.http_driver import Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint("https://mandrillapp.com/api/1.0/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")
    webhook_secret: str = signed_with("Webhook key")


# What is not about the recipient ("The reject reasons", same page).
REASONS = {
    "invalid-sender": Fault.BAD_ACCOUNT,
    "unsigned": Fault.BAD_ACCOUNT,
    "test-mode-limit": Fault.BAD_ACCOUNT,
    "rule": Fault.BAD_CONTENT,
}


class Mandrill(AnymailDriver):
    """E-mail through Mailchimp Transactional, known as Mandrill."""

    label = "Mandrill (Mailchimp Transactional)"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = MandrillCombinedWebhookView
    webhook_option = "webhook_key"
    own_headers = ("Message-ID",)
    error_code = "name"
    faults = {
        "Invalid_Key": Fault.BAD_ACCOUNT,
        "PaymentRequired": Fault.BAD_ACCOUNT,
        "PoorReputation": Fault.BAD_ACCOUNT,
        "Unknown_Subaccount": Fault.BAD_ACCOUNT,
        "ValidationError": Fault.BAD_CONTENT,
    }

    def rejected(self, status: AnymailRecipientStatus, reply: Reply, message: Message) -> Answer:
        """By the reason it gives for this recipient."""
        own = message.recipient.lower()
        reasons = {item["email"].lower(): item.get("reject_reason") for item in reply.json}
        reason = str(reasons.get(own) or status.status)
        return Failed(REASONS.get(reason, Fault.BAD_ADDRESS), f"{status.status}: {reason}")

    def webhook_options(self, account: Account, request: Request) -> dict[str, Any]:
        """It signs the address it calls, too."""
        return super().webhook_options(account, request) | {"webhook_url": request.url}

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """As it is named."""
        return event.get("event") == "hard_bounce"
