"""SparkPost (https://developers.sparkpost.com/api/transmissions/, and "Extended Error Codes" of
its support pages).

Errors are `{"errors": [{"message", "description", "code"}]}`. What is accepted counts refused
recipients without naming them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.sparkpost import EmailBackend
from anymail.webhooks.sparkpost import SparkPostTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Fault, described
from delivery.http_driver import Complaint, Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    subaccount: str = described("Subaccount", required=False, default="")
    api_url: str = endpoint("https://api.sparkpost.com/api/v1/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")


HARD = ("10", "30")  # invalid recipient, no such recipient


class SparkPost(AnymailDriver):
    """E-mail through SparkPost."""

    label = "SparkPost"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = SparkPostTrackingWebhookView
    faults = {
        "1502": Fault.TRANSIENT,  # server resources unavailable
        "1601": Fault.BAD_ACCOUNT,  # no licence
        "2101": Fault.THROTTLED,  # sending limits: hourly, daily, sandbox, monthly
        "2102": Fault.THROTTLED,
        "2103": Fault.BAD_ACCOUNT,
        "2105": Fault.BAD_ACCOUNT,
        "5002": Fault.BAD_ADDRESS,  # no valid recipients
        "7000": Fault.BAD_ACCOUNT,  # sending domain blocked, or none of ours
        "7001": Fault.BAD_ACCOUNT,
    }
    hints = {r"(?i)\bsuppress(ed|ion)\b": Fault.BAD_ADDRESS}

    def complaint(self, reply: Reply) -> Complaint | None:
        """The first error; there is one unless fields are missing."""
        error = reply.json["errors"][0]
        parts = (error["message"], error.get("description"))
        return Complaint(": ".join(filter(None, parts)), str(error.get("code") or ""))

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """Of a class that it calls hard ("Bounce Classification Codes")."""
        return any(e.get("bounce_class") in HARD for e in event["msys"].values())
