"""The Resend driver."""

from __future__ import annotations

import json
from dataclasses import replace

from delivery.driver import Account, Driver, Sent, Unknown
from delivery.drivers.resend import Resend
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

ID = "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"


def error(status: int, name: str, message: str) -> Canned:
    return Canned(status, {"statusCode": status, "name": name, "message": message})


class TestResend(MailTests):
    driver = Resend
    credentials = {"api_key": "re_c0ffee_secret"}
    yes = Canned(200, {"id": ID})
    sent = Sent(ID, "200", copies=copies())
    answers = [
        (
            error(400, "validation_error", "We found an error with one or more fields."),
            BAD_CONTENT,
        ),
        (
            error(400, "invalid_idempotency_key", "The key must be between 1-256 chars."),
            BAD_CONTENT,
        ),
        (
            error(401, "missing_api_key", "Missing API key in the authorization header."),
            BAD_ACCOUNT,
        ),
        (error(401, "restricted_api_key", "Restricted to only send emails."), BAD_ACCOUNT),
        (error(403, "invalid_api_key", "API key is invalid."), BAD_ACCOUNT),
        (error(403, "validation_error", "The acme.example domain is not verified."), BAD_ACCOUNT),
        (error(404, "not_found", "The requested endpoint does not exist."), BAD_ACCOUNT),
        (error(405, "method_not_allowed", "Method is not allowed."), BAD_ACCOUNT),
        (error(409, "concurrent_idempotent_requests", "Still in progress."), TRANSIENT),
        (error(409, "invalid_idempotent_request", "Different request payload."), UNKNOWN),
        (error(422, "missing_required_field", "Missing `subject` field."), BAD_CONTENT),
        (error(422, "invalid_attachment", "Attachment must have a `content`."), BAD_CONTENT),
        (error(422, "invalid_from_address", "Invalid `from` field."), BAD_ACCOUNT),
        (error(422, "validation_error", "Invalid `to` field. The email address ..."), BAD_ADDRESS),
        (error(429, "rate_limit_exceeded", "Too many requests."), THROTTLED),
        (error(429, "daily_quota_exceeded", "Daily email sending quota."), THROTTLED),
        (error(429, "monthly_quota_exceeded", "Monthly email sending quota."), BAD_ACCOUNT),
        (error(451, "security_error", "We may have found a security issue."), BAD_CONTENT),
        (error(500, "application_error", "An unexpected error occurred."), TRANSIENT),
        (Canned(200, {"object": "email"}), UNKNOWN),
        (Canned(500, {"message": "Internal server error"}), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/emails"
        assert asked.headers["authorization"] == "Bearer re_c0ffee_secret"
        assert asked.headers["idempotency-key"] == "ntf_01"
        assert asked.json == {
            "from": '"Ä \\"Acme\\", Inc." <shop@acme.example>',
            "to": ["ann@example.com"],
            "cc": ["cc@example.com"],
            "bcc": ["bcc@example.com"],
            "reply_to": ["help@acme.example"],
            "subject": "Order confirmed",
            "text": "Thank you.",
            "html": "<p>Thank you.</p>",
            "headers": {"X-Order": "1", "X-Metadata": json.dumps({"key": "ntf_01"})},
            "attachments": [
                {"filename": "bill.pdf", "content": PDF, "content_type": "application/pdf"}
            ],
        }

    def test_tries_are_one(self, made: Driver, account: Account, server: Vendor) -> None:
        """A repeat has the same key and the same bytes, else Resend would refuse it."""
        server.answers.append(Canned(act="cut"))
        assert isinstance(made.send(account, FULL, timeout=SECONDS), Unknown)
        again = replace(FULL, attempt_id="att_02")
        assert made.send(account, again, timeout=SECONDS).code == "200"
        first, second = server.asked
        assert first.body == second.body == made.payload(account, FULL)
        assert first.headers == second.headers

    def test_long_key(self, made: Driver, account: Account, server: Vendor) -> None:
        made.send(account, replace(FULL, key="k" * 257), timeout=SECONDS)
        made.send(account, replace(FULL, key="k" * 256), timeout=SECONDS)
        lengths = [len(asked.headers["idempotency-key"]) for asked in server.asked]
        assert lengths == [64, 256]
