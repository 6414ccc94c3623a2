"""Unisender Go (https://godocs.unisender.ru/web-api-ref, `email/send`).

Errors are `{"status": "error", "code", "message"}`, with `failed_emails` where the recipients
are at fault, which a 200 may have too. Of headers only `X-...` and those of lists are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.backends.unisender_go import EmailBackend
from anymail.webhooks.unisender_go import UnisenderGoTrackingWebhookView

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Account, Fault, described
from delivery.http_driver import Complaint, Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    api_url: str = endpoint()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    api_key: str = described("API key")


HARD = ("err_user_unknown", "err_user_inactive", "err_mailbox_discarded", "err_domain_inactive")


class UnisenderGo(AnymailDriver):
    """E-mail through Unisender Go."""

    label = "Unisender Go"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = UnisenderGoTrackingWebhookView
    webhook_option = "api_key"
    options = {"generate_message_id": False}  # its random id would differ on every try
    statuses = {**AnymailDriver.statuses, "failed": Fault.TRANSIENT}  # "temporary_unavailable"
    faults = {"114": Fault.BAD_ACCOUNT}  # no such user: the API address of another data centre

    def complaint(self, reply: Reply) -> Complaint | None:
        """Its message; recipients who all failed are why."""
        complaint = super().complaint(reply)
        failed = reply.get("failed_emails")
        if complaint is None or not failed:
            return complaint
        passing = "temporary_unavailable" in failed.values()
        fault = Fault.TRANSIENT if passing else Fault.BAD_ADDRESS
        return Complaint(complaint.text, complaint.code, fault)

    def webhook_key(self, account: Account) -> str:
        """It signs with the API key."""
        return str(account.credentials.api_key)

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """As its `delivery_status` says."""
        return (event.get("delivery_info") or {}).get("delivery_status") in HARD
