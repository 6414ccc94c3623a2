"""Resend (https://resend.com/docs/api-reference/emails/send-email, /errors, /idempotency-keys).

Errors are `{"statusCode", "name", "message"}`. A key is remembered for 24 hours with the body it
came with: of a repeat with another body only that is known, that an earlier try had been taken.
Its mail leaves through Amazon SES, which sets its own Message-ID.
"""

from __future__ import annotations

from dataclasses import dataclass

from anymail.backends.resend import EmailBackend

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Fault, described
from delivery.http_driver import endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint("https://api.resend.com/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")


class Resend(AnymailDriver):
    """E-mail through Resend."""

    label = "Resend"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    takes_idempotency_key = True
    idempotency_header = "Idempotency-Key"
    error_code = "name"
    faults = {
        "invalid_from_address": Fault.BAD_ACCOUNT,
        "monthly_quota_exceeded": Fault.BAD_ACCOUNT,
        "daily_quota_exceeded": Fault.THROTTLED,
        "concurrent_idempotent_requests": Fault.TRANSIENT,
        "invalid_idempotent_request": None,
    }
    hints = {"(?i)invalid `to` field": Fault.BAD_ADDRESS}
