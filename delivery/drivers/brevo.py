"""Brevo (https://developers.brevo.com/reference/sendtransacemail, /docs/how-it-works).

Errors are `{"code", "message"}`. Its `idempotencyKey` is not used: it is remembered for half an
hour, less than our retries take, and a repeat is answered with an error instead of the first
answer (https://developers.brevo.com/docs/heterogenous-versions-batch-emails).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.brevo import EmailBackend
from anymail.webhooks.brevo import BrevoTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Fault, described
from delivery.http_driver import endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint("https://api.brevo.com/v3/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")


class Brevo(AnymailDriver):
    """E-mail through Brevo, formerly Sendinblue."""

    label = "Brevo"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = BrevoTrackingWebhookView
    faults = {
        "unauthorized": Fault.BAD_ACCOUNT,
        "permission_denied": Fault.BAD_ACCOUNT,
        "reseller_permission_denied": Fault.BAD_ACCOUNT,
        "not_enough_credits": Fault.BAD_ACCOUNT,
        "account_under_validation": Fault.BAD_ACCOUNT,
    }
    hints = {
        r"\bvalid in to\b": Fault.BAD_ADDRESS,
        r"\bsender\b": Fault.BAD_ACCOUNT,
    }

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """As it is named (https://developers.brevo.com/docs/transactional-webhooks)."""
        return event.get("event") in ("hard_bounce", "invalid_email")
