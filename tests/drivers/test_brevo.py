"""The Brevo driver."""

from __future__ import annotations

import json
from dataclasses import replace

from delivery.driver import Account, Driver, Failed, Sent
from delivery.drivers.brevo import Brevo
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    FULL,
    PDF,
    SECONDS,
    THROTTLED,
    TRANSIENT,
    UNKNOWN,
    MailTests,
    copies,
)
from tests.drivers.vendor import Asked, Canned, Vendor

ID = "<201801021234.1234567890@smtp-relay.mailin.fr>"


def error(status: int, code: str, message: str) -> Canned:
    return Canned(status, {"code": code, "message": message})


class TestBrevo(MailTests):
    driver = Brevo
    path = "/v3"
    credentials = {"api_key": "xkeysib-secret"}
    yes = Canned(201, {"messageId": ID})
    sent = Sent(ID, "201", copies=copies())
    answers = [
        (error(400, "invalid_parameter", "email is not valid in to"), BAD_ADDRESS),
        (error(400, "invalid_parameter", "email is not valid in replyTo"), BAD_CONTENT),
        (error(400, "invalid_parameter", "valid sender email required"), BAD_ACCOUNT),
        (error(400, "missing_parameter", "subject is missing"), BAD_CONTENT),
        (error(400, "account_under_validation", "Under validation"), BAD_ACCOUNT),
        (error(401, "unauthorized", "Key not found"), BAD_ACCOUNT),
        (error(402, "not_enough_credits", "Not enough credits"), BAD_ACCOUNT),
        (error(403, "permission_denied", "SMTP account is not activated"), BAD_ACCOUNT),
        (error(404, "document_not_found", "not found"), BAD_ACCOUNT),
        (error(429, "too_many_requests", "API rate limit exceeded"), THROTTLED),
        (error(500, "internal_error", "Internal error"), TRANSIENT),
        (Canned(500, {"message": "Internal Server Error"}), UNKNOWN),
        (Canned(201, {"ok": True}), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/v3/smtp/email"
        assert asked.headers["api-key"] == "xkeysib-secret"
        assert asked.json == {
            "sender": {"email": "shop@acme.example", "name": "=?utf-8?b?w4QgIkFjbWUiLCBJbmMu?="},
            "to": [{"email": "ann@example.com"}],
            "cc": [{"email": "cc@example.com"}],
            "bcc": [{"email": "bcc@example.com"}],
            "replyTo": {"email": "help@acme.example"},
            "subject": "Order confirmed",
            "textContent": "Thank you.",
            "htmlContent": "<p>Thank you.</p>",
            "headers": {"X-Order": "1", "X-Mailin-custom": json.dumps({"attempt_id": "att_01"})},
            "attachment": [{"name": "bill.pdf", "content": PDF}],
        }

    def test_unsupported(self, made: Driver, account: Account, server: Vendor) -> None:
        """Brevo would send such a header undecodably; nothing goes out, in clear words."""
        answer = made.send(account, replace(FULL, headers={"X-Name": "Ä"}), timeout=SECONDS)
        assert isinstance(answer, Failed)
        assert answer.fault is BAD_CONTENT
        assert answer.detail == "Brevo does not support non-ASCII characters in 'X-Name' header"
        assert server.asked == []
