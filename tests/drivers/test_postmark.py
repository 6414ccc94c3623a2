"""The Postmark driver."""

from __future__ import annotations

from dataclasses import replace

from delivery.driver import Account, Copy, Driver, Sent
from delivery.drivers.postmark import Postmark
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    PDF,
    PLAIN,
    SECONDS,
    THROTTLED,
    TRANSIENT,
    UNKNOWN,
    MailTests,
    copies,
)
from tests.drivers.vendor import Asked, Canned, Vendor

ID = "0a129aee-e1cd-480d-b08d-4f48548ff48d"
INACTIVE = (
    "You tried to send to a recipient that has been marked as inactive.\n"
    "Found inactive addresses: ann@example.com.\n"
    "Inactive recipients are ones that have generated a hard bounce or a spam complaint."
)
PARTLY = (
    "Message OK, but will not deliver to these inactive addresses: cc@example.com. "
    "Inactive recipients are ones that have generated a hard bounce or a spam complaint."
)


def taken(message: str = "OK") -> Canned:
    to = {"To": "ann@example.com", "SubmittedAt": "2026-01-02T03:04:05Z", "MessageID": ID}
    return Canned(200, {**to, "ErrorCode": 0, "Message": message})


def error(code: int, message: str, status: int = 422) -> Canned:
    return Canned(status, {"ErrorCode": code, "Message": message})


class TestPostmark(MailTests):
    driver = Postmark
    credentials = {"server_token": "pm-c0ffee-secret"}
    yes = taken()
    sent = Sent(ID, "200", copies=copies("sent"))
    answers = [
        (error(10, "Bad or missing API token.", 401), BAD_ACCOUNT),
        (error(100, "Maintenance", 503), TRANSIENT),
        (error(300, "Invalid 'To' address: 'ann@'."), BAD_ADDRESS),
        (
            error(300, "Error parsing 'To': Illegal email domain 'x' in address 'a@x'."),
            BAD_ADDRESS,
        ),
        (
            error(300, "Error parsing 'Cc': Illegal email domain 'x' in address 'a@x'."),
            BAD_CONTENT,
        ),
        (error(300, "Invalid 'From' address: 'shop'."), BAD_ACCOUNT),
        (error(300, "Invalid metadata content."), BAD_CONTENT),
        (error(400, "The 'From' address does not correspond to a Sender Signature"), BAD_ACCOUNT),
        (error(401, "Sender signature not confirmed"), BAD_ACCOUNT),
        (error(405, "Not allowed to send: you ran out of credits."), BAD_ACCOUNT),
        (error(406, INACTIVE), BAD_ADDRESS),
        (error(411, "Forbidden attachment type"), BAD_CONTENT),
        (error(412, "Account is pending approval"), BAD_ACCOUNT),
        (error(413, "Account may not send"), BAD_ACCOUNT),
        (error(429, "Rate limit exceeded", 429), THROTTLED),
        (error(1235, "The message stream for the provided 'ID' was not found."), BAD_ACCOUNT),
        (error(500, "Internal Server Error", 500), TRANSIENT),
        (Canned(403, b"<html><head><title>403 Forbidden</title></head></html>"), BAD_ACCOUNT),
        (Canned(200, {"ok": 1}), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/email"
        assert asked.headers["x-postmark-server-token"] == "pm-c0ffee-secret"
        assert asked.json == {
            "From": '"Ä \\"Acme\\", Inc." <shop@acme.example>',
            "To": "ann@example.com",
            "Cc": "cc@example.com",
            "Bcc": "bcc@example.com",
            "ReplyTo": "help@acme.example",
            "Subject": "Order confirmed",
            "TextBody": "Thank you.",
            "HtmlBody": "<p>Thank you.</p>",
            "Headers": [
                {"Name": "X-Order", "Value": "1"},
                {"Name": "Message-ID", "Value": "<ntf_01@acme.example>"},
                {"Name": "X-PM-KeepID", "Value": "true"},
            ],
            "Metadata": {"attempt_id": "att_01"},
            "Attachments": [
                {"Name": "bill.pdf", "Content": PDF, "ContentType": "application/pdf"}
            ],
        }

    def test_message_stream(self, made: Driver, account: Account, server: Vendor) -> None:
        settings = replace(account.settings, message_stream="broadcast")
        made.send(replace(account, settings=settings), PLAIN, timeout=SECONDS)
        assert server.asked[0].json["MessageStream"] == "broadcast"


class TestPartlyInactive(TestPostmark):
    """An inactive copy does not stop the recipient's, and is told."""

    yes = taken(PARTLY)
    sent = Sent(ID, "200", copies=(Copy("cc@example.com", False, "rejected"), copies("sent")[1]))
