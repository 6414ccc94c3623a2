"""Postal (https://docs.postalserver.io/developer/api, legacy API `send/message`).

All answers have HTTP 200; errors are `{"status": "error", "data": {"code", "message"}}`, and one
of them has the API key in it. Its Message-ID replaces ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.postal import EmailBackend
from anymail.signals import EventType
from anymail.webhooks.postal import PostalTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.anymail_receipts import KINDS, signed_with
from delivery.driver import Fault, Kind, described
from delivery.http_driver import Complaint, Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")
    webhook_secret: str = signed_with("Public key of the installation")


class Postal(AnymailDriver):
    """E-mail through a Postal installation."""

    label = "Postal"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = PostalTrackingWebhookView
    webhook_option = "webhook_key"
    own_headers = ("Date",)
    takes_metadata = False
    kinds = {**KINDS, EventType.FAILED: Kind.BOUNCED}
    faults = {
        "AccessDenied": Fault.BAD_ACCOUNT,
        "InvalidServerAPIKey": Fault.BAD_ACCOUNT,
        "ServerSuspended": Fault.BAD_ACCOUNT,
        "UnauthenticatedFromAddress": Fault.BAD_ACCOUNT,
        "InternalServerError": Fault.TRANSIENT,
    }

    def complaint(self, reply: Reply) -> Complaint | None:
        """Its status and data."""
        status, data = reply.json["status"], reply.json["data"]
        if status == "success":
            return None
        return Complaint(data.get("message") or status, data.get("code", status))

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """A failure for good."""
        return (event.get("payload") or {}).get("status") == "HardFail"
