"""Mailtrap (https://docs.mailtrap.io/developers, Email API: transactional, sandbox).

Errors are `{"success": false, "errors": [texts]}` without codes, with a 500 too, of which the
reference says that the mail was not delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.mailtrap import EmailBackend
from anymail.webhooks.mailtrap import MailtrapTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.anymail_receipts import signed_with
from delivery.driver import Account, Fault, described
from delivery.http_driver import Complaint, Reply, endpoint

LIVE = "https://send.api.mailtrap.io/api/"
SANDBOX = "https://sandbox.api.mailtrap.io/api/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    sandbox_id: str = described(
        "Sandbox", help="The number of a sandbox instead of sending.", required=False, default=""
    )
    api_url: str = endpoint(LIVE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_token: str = described("API token")
    webhook_secret: str = signed_with("Webhook signature key")


class Mailtrap(AnymailDriver):
    """E-mail through Mailtrap, or into one of its sandboxes."""

    label = "Mailtrap"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = MailtrapTrackingWebhookView
    webhook_option = "tracking_secret"
    hints = {r"(?=.*'to')(?=.*\binvalid\b)": Fault.BAD_ADDRESS}

    def backend_options(self, account: Account) -> dict[str, Any]:
        """A sandbox is at an address of its own."""
        options = super().backend_options(account)
        if options["sandbox_id"] and options["api_url"] == LIVE:
            options["api_url"] = SANDBOX
        return options

    def complaint(self, reply: Reply) -> Complaint | None:
        """The texts of its errors."""
        if reply.get("success") is not False:
            return None
        return Complaint("; ".join(reply.json["errors"]), code=str(reply.status))

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """A soft one is told as deferred."""
        return event.get("event") == "bounce"
