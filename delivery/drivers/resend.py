"""Resend (https://resend.com/docs/api-reference/emails/send-email, /errors, /idempotency-keys).

Errors are `{"statusCode", "name", "message"}`. A key is remembered for 24 hours with the body it
came with: of a repeat with another body only that is known, that an earlier try had been taken.
Its mail leaves through Amazon SES, which sets its own Message-ID.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.resend import EmailBackend
from anymail.webhooks.resend import ResendTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.anymail_receipts import signed_with
from delivery.driver import Account, Fault, Forged, Request, Unreadable, described
from delivery.http_driver import endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint("https://api.resend.com/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")
    webhook_secret: str = signed_with("Signing secret")


TOLERANCE_SECONDS = 300
"""How far a signature's time may be from ours (Svix's own libraries)."""
DIGITS = 20


class Resend(AnymailDriver):
    """E-mail through Resend."""

    label = "Resend"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = ResendTrackingWebhookView
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

    def objection(
        self, view: Any, asked: Any, account: Account, request: Request
    ) -> Forged | Unreadable | None:
        """Svix's signature (https://docs.svix.com/receiving/verifying-payloads/how-manual), of
        one of the secrets that are valid while one is rotated."""
        secret = self.webhook_key(account)
        if not secret:
            return None
        headers = request.headers
        name, at = headers.get("svix-id", ""), headers.get("svix-timestamp", "")
        given = [part.partition(",") for part in headers.get("svix-signature", "").split()]
        if not (at.isascii() and at.isdecimal() and len(at) < DIGITS):
            return Forged("the signature has no time")
        if abs(time.time() - int(at)) > TOLERANCE_SECONDS:
            return Forged("the signature is too old, or of a time to come")
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            return Forged("the signing secret is not one of Resend's")
        signed = hmac.digest(key, f"{name}.{at}.".encode() + request.body, "sha256")
        wanted = base64.b64encode(signed)
        good = [
            hmac.compare_digest(wanted, text.encode())
            for version, _, text in given
            if version == "v1"
        ]
        return None if any(good) else Forged("the signature is missing or wrong")

    def recipient_of(self, event: Any) -> Any:
        """It does not say which of several recipients an event is about."""
        data = event.esp_event["data"]
        several = len(data.get("to") or ()) > 1 or data.get("cc") or data.get("bcc")
        return "" if several else event.recipient

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """By its type (https://resend.com/docs/dashboard/emails/email-bounces)."""
        return bool(event["data"].get("bounce", {}).get("type") == "Permanent")
