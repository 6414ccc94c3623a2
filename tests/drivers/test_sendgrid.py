"""The SendGrid driver."""

from __future__ import annotations

from delivery.driver import Sent
from delivery.drivers.sendgrid import SendGrid
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    PDF,
    THROTTLED,
    UNKNOWN,
    MailTests,
    copies,
)
from tests.drivers.vendor import Asked, Canned

ID = "14c5d75ce93.dfd.64b469"
IDENTITY = "The from address does not match a verified Sender Identity."


def error(status: int, message: str, *fields: str | None) -> Canned:
    errors = [{"message": message, "field": field, "help": None} for field in fields or (None,)]
    return Canned(status, {"errors": errors})


class TestSendGrid(MailTests):
    driver = SendGrid
    path = "/v3"
    credentials = {"api_key": "SG.c0ffee.secret"}
    yes = Canned(202, b"", {"X-Message-Id": ID})
    sent = Sent(ID, "202", copies=copies())
    answers = [
        (error(400, "Not a valid address.", "personalizations.0.to.0.email"), BAD_ADDRESS),
        (error(400, "Not a valid address.", "personalizations.0.cc.0.email"), BAD_CONTENT),
        (error(400, "Bad.", "personalizations.0.to.0.email", "subject"), BAD_CONTENT),
        (error(400, "Bad Request"), BAD_CONTENT),
        (error(401, "The provided authorization grant is invalid"), BAD_ACCOUNT),
        (error(401, "Maximum credits exceeded"), BAD_ACCOUNT),
        (error(403, IDENTITY, "from"), BAD_ACCOUNT),
        (error(413, "The JSON payload is too large"), BAD_CONTENT),
        (error(429, "too many requests"), THROTTLED),
        (error(500, "Internal Server Error"), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/v3/mail/send"
        assert asked.headers["authorization"] == "Bearer SG.c0ffee.secret"
        assert asked.json == {
            "personalizations": [
                {
                    "to": [{"email": "ann@example.com"}],
                    "cc": [{"email": "cc@example.com"}],
                    "bcc": [{"email": "bcc@example.com"}],
                }
            ],
            "from": {"email": "shop@acme.example", "name": 'Ä "Acme", Inc.'},
            "reply_to_list": [{"email": "help@acme.example"}],
            "subject": "Order confirmed",
            "content": [
                {"type": "text/plain", "value": "Thank you."},
                {"type": "text/html", "value": "<p>Thank you.</p>"},
            ],
            "headers": {"X-Order": "1", "Message-ID": "<ntf_01@acme.example>"},
            "custom_args": {"attempt_id": "att_01"},
            "attachments": [{"content": PDF, "type": "application/pdf", "filename": "bill.pdf"}],
        }
