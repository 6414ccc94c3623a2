"""Mandrill, Mailchimp Transactional (https://mailchimp.com/developer/transactional/api/messages/).

Errors are `{"status": "error", "code", "name", "message"}`, always with HTTP 500. A 200 has a
status for each recipient, and for those refused a `reject_reason`.
"""

from __future__ import annotations

from dataclasses import dataclass

from anymail.backends.mandrill import EmailBackend
from anymail.message import AnymailRecipientStatus

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Answer, Failed, Fault, Message, described
from delivery.http_driver import Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint("https://mandrillapp.com/api/1.0/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")


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
