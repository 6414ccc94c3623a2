"""Postal (https://docs.postalserver.io/developer/api, legacy API `send/message`).

All answers have HTTP 200; errors are `{"status": "error", "data": {"code", "message"}}`, and one
of them has the API key in it. Its Message-ID replaces ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from anymail.backends.postal import EmailBackend

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Fault, described
from delivery.http_driver import Complaint, Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")


class Postal(AnymailDriver):
    """E-mail through a Postal installation."""

    label = "Postal"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    own_headers = ("Date",)
    takes_metadata = False
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
