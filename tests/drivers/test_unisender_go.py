"""The Unisender Go driver."""

from __future__ import annotations

from delivery.driver import Copy, Sent
from delivery.drivers.unisender_go import UnisenderGo
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    PDF,
    THROTTLED,
    TRANSIENT,
    UNKNOWN,
    MailTests,
    copies,
)
from tests.drivers.vendor import Asked, Canned

JOB = "1ZymBc-00041N-9X"


def taken(*emails: str, **failed: str) -> Canned:
    said = {"status": "success", "job_id": JOB, "emails": emails}
    named = {f"{name}@example.com": why for name, why in failed.items()}
    return Canned(200, said | ({"failed_emails": named} if named else {}))


def error(status: int, code: int, message: str, **failed: str) -> Canned:
    named = {f"{name}@example.com": why for name, why in failed.items()}
    said = {"status": "error", "code": code, "message": message}
    return Canned(status, said | ({"failed_emails": named} if named else {}))


class TestUnisenderGo(MailTests):
    driver = UnisenderGo
    path = "/en/transactional/api/v1"
    credentials = {"api_key": "ug-c0ffee-secret"}
    yes = taken("ann@example.com", "bcc@example.com", cc="unsubscribed")
    sent = Sent(JOB, "200", copies=(Copy("cc@example.com", False, "rejected"), copies()[1]))
    answers = [
        (error(400, 150, "Parameter body is required"), BAD_CONTENT),
        (error(400, 204, "No valid recipients", ann="invalid"), BAD_ADDRESS),
        (error(400, 204, "No valid recipients", ann="temporary_unavailable"), TRANSIENT),
        (error(401, 102, "Can not decode key"), BAD_ACCOUNT),
        (error(403, 114, "User with id 1234567 not found"), BAD_ACCOUNT),
        (error(404, 3, "No such method"), BAD_ACCOUNT),
        (error(413, 4, "Request is too large"), BAD_CONTENT),
        (error(429, 5, "Too many requests"), THROTTLED),
        (error(500, 1, "Internal error"), TRANSIENT),
        (taken(ann="invalid"), BAD_ADDRESS),
        (taken(ann="permanent_unavailable"), BAD_ADDRESS),
        (taken(ann="unsubscribed"), BAD_ADDRESS),
        (taken(ann="temporary_unavailable"), TRANSIENT),
        (Canned(200, {"status": "success"}), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/en/transactional/api/v1/email/send.json"
        assert asked.headers["x-api-key"] == "ug-c0ffee-secret"
        assert asked.json == {
            "message": {
                "recipients": [
                    {"email": "ann@example.com"},
                    {"email": "cc@example.com"},
                    {"email": "bcc@example.com"},
                ],
                "headers": {"to": "ann@example.com", "cc": "cc@example.com", "X-Order": "1"},
                "from_email": "shop@acme.example",
                "from_name": 'Ä "Acme", Inc.',
                "reply_to": "help@acme.example",
                "subject": "Order confirmed",
                "body": {"plaintext": "Thank you.", "html": "<p>Thank you.</p>"},
                "global_metadata": {"attempt_id": "att_01"},
                "attachments": [{"content": PDF, "type": "application/pdf", "name": "bill.pdf"}],
            }
        }
