"""MailerSend (https://developers.mailersend.com/api/v1/email.html, /general.html).

Errors are Laravel's `{"message", "errors": {field: [texts]}}`, the texts of validation ending in
a code, `#MS42225`. What is accepted may carry warnings about suppressed recipients. Headers of
one's own are for enterprise plans only, so we add none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.mailersend import EmailBackend
from anymail.webhooks.mailersend import MailerSendTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.anymail_receipts import signed_with
from delivery.driver import Fault, described
from delivery.http_driver import Complaint, Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint("https://api.mailersend.com/v1/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_token: str = described("API token")
    webhook_secret: str = signed_with("Webhook signing secret")


class MailerSend(AnymailDriver):
    """E-mail through MailerSend."""

    label = "MailerSend"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = MailerSendTrackingWebhookView
    webhook_option = "signing_secret"
    takes_metadata = False
    faults = {"MS42225": Fault.BAD_ACCOUNT}  # a trial account, which sends to its owner only

    def complaint(self, reply: Reply) -> Complaint | None:
        """The message with its code; the fields in error tell more than either."""
        text = reply.get("message")
        if not isinstance(text, str):
            return None
        code = re.search(r"#(MS\d+)", text)
        return Complaint(text, code[1] if code else "", self._fault_of(reply.get("errors"), code))

    def _fault_of(self, errors: object, code: re.Match[str] | None) -> Fault | None:
        if not isinstance(errors, dict) or (code and code[1] in self.faults):
            return None
        if any(name.startswith("from") for name in errors):
            return Fault.BAD_ACCOUNT
        if errors and all(re.match(r"to\.\d+\.email$", name) for name in errors):
            return Fault.BAD_ADDRESS
        return None

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """As it is named."""
        return bool(event["data"]["type"] == "hard_bounced")
