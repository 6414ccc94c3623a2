"""Scaleway (https://www.scaleway.com/en/developers/api/transactional-email/).

Errors are `{"type", "message", "details"}`, as in its SDKs (scaleway-sdk-go, scw/errors.go). It
has no call-backs that anymail reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anymail.backends.scaleway import EmailBackend

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Account, Fault, described
from delivery.http_driver import Complaint, Reply, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    project_id: str = described("Project")
    region: str = described("Region", required=False, default="fr-par")
    api_url: str = endpoint("https://api.scaleway.com/transactional-email/v1alpha1/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    secret_key: str = described("Secret key")


class Scaleway(AnymailDriver):
    """E-mail through Scaleway."""

    label = "Scaleway"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    gives_receipts = False
    error_code = "type"
    faults = {
        "denied_authentication": Fault.BAD_ACCOUNT,
        "permissions_denied": Fault.BAD_ACCOUNT,
        "quotas_exceeded": Fault.BAD_ACCOUNT,
        "precondition_failed": Fault.BAD_ACCOUNT,
        "transient_state": Fault.TRANSIENT,
    }

    def backend_options(self, account: Account) -> dict[str, Any]:
        """The region is a part of the path; anymail fills it in as a format's field."""
        options = super().backend_options(account)
        base = options["api_url"].rstrip("/").replace("{", "{{").replace("}", "}}")
        return options | {"api_url": base + "/regions/{region}/"}

    def complaint(self, reply: Reply) -> Complaint | None:
        """Its message, with the arguments it is about."""
        complaint = super().complaint(reply)
        details = reply.get("details")
        if complaint is None or complaint.code != "invalid_arguments" or not details:
            return complaint
        names = [detail["argument_name"] for detail in details]
        texts = [
            f"{d['argument_name']} ({d['reason']}) {d.get('help_message', '')}" for d in details
        ]
        bad = all(name == "to" or name.startswith(("to[", "to.")) for name in names)
        return Complaint(
            f"{complaint.text}: {'; '.join(texts)}",
            complaint.code,
            Fault.BAD_ADDRESS if bad else Fault.BAD_CONTENT,
        )
