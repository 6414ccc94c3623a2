"""The Mandrill driver."""

from __future__ import annotations

from typing import Any

from delivery.driver import Copy, Sent
from delivery.drivers.mandrill import Mandrill
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    PDF,
    TRANSIENT,
    UNKNOWN,
    MailTests,
)
from tests.drivers.vendor import Asked, Canned, Vendor


def error(name: str, message: str) -> Canned:
    return Canned(500, {"status": "error", "code": -2, "name": name, "message": message})


def status(said: str, reason: str | None = None, email: str = "ann@example.com") -> dict[str, Any]:
    return {"email": email, "status": said, "reject_reason": reason, "_id": f"id-{email[:3]}"}


class TestMandrill(MailTests):
    driver = Mandrill
    path = "/api/1.0"
    credentials = {"api_key": "md-c0ffee-secret"}
    yes = Canned(
        200,
        [
            status("queued"),
            status("rejected", "unsub", "cc@example.com"),
            status("sent", None, "bcc@example.com"),
        ],
    )
    sent = Sent(
        "id-ann",
        "200",
        copies=(Copy("cc@example.com", False, "rejected"), Copy("bcc@example.com", True, "sent")),
    )
    answers = [
        (error("Invalid_Key", "Invalid API key"), BAD_ACCOUNT),
        (error("PaymentRequired", "Payment required"), BAD_ACCOUNT),
        (error("PoorReputation", "Reputation is too low"), BAD_ACCOUNT),
        (error("Unknown_Subaccount", "No subaccount exists with the id"), BAD_ACCOUNT),
        (error("ValidationError", "You must specify a key value"), BAD_CONTENT),
        (error("ServiceUnavailable", "Down for maintenance"), TRANSIENT),
        (error("GeneralError", "An unexpected error occurred"), TRANSIENT),
        (Canned(200, [status("rejected", "hard-bounce")]), BAD_ADDRESS),
        (Canned(200, [status("rejected", "spam")]), BAD_ADDRESS),
        (Canned(200, [status("invalid")]), BAD_ADDRESS),
        (Canned(200, [status("rejected", "invalid-sender")]), BAD_ACCOUNT),
        (Canned(200, [status("rejected", "unsigned")]), BAD_ACCOUNT),
        (Canned(200, [status("rejected", "rule")]), BAD_CONTENT),
        (Canned(200, [status("scheduled")]), UNKNOWN),
        (Canned(200, {"message": "no list"}), UNKNOWN),
    ]

    def handed_over(self, server: Vendor) -> list[bytes]:
        """The key is in the body; evidence has null in its place."""
        return [
            body.replace(b'"md-c0ffee-secret"', b"null") for body in super().handed_over(server)
        ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/api/1.0/messages/send.json"
        assert asked.json == {
            "key": "md-c0ffee-secret",
            "message": {
                "from_email": "shop@acme.example",
                "from_name": 'Ä "Acme", Inc.',
                "to": [
                    {"email": "ann@example.com", "type": "to"},
                    {"email": "cc@example.com", "type": "cc"},
                    {"email": "bcc@example.com", "type": "bcc"},
                ],
                "subject": "Order confirmed",
                "text": "Thank you.",
                "html": "<p>Thank you.</p>",
                "headers": {
                    "Reply-To": "help@acme.example",
                    "X-Order": "1",
                    "Message-ID": "<ntf_01@acme.example>",
                },
                "metadata": {"attempt_id": "att_01"},
                "attachments": [{"type": "application/pdf", "name": "bill.pdf", "content": PDF}],
            },
        }
