"""The SparkPost driver."""

from __future__ import annotations

from dataclasses import replace

from delivery.driver import Account, Driver, Sent, Unknown
from delivery.drivers.sparkpost import SparkPost
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    FULL,
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

SUPPRESSED = "recipient address suppressed due to customer policy"


def counted(accepted: int, rejected: int) -> Canned:
    counts = {"total_accepted_recipients": accepted, "total_rejected_recipients": rejected}
    return Canned(200, {"results": {**counts, "id": "11668787484950529"}})


def error(status: int, code: str, message: str, description: str = "") -> Canned:
    said = {"message": message, "code": code}
    return Canned(
        status, {"errors": [said | ({"description": description} if description else {})]}
    )


class TestSparkPost(MailTests):
    driver = SparkPost
    path = "/api/v1"
    credentials = {"api_key": "spk-c0ffee-secret"}
    yes = counted(3, 0)
    yes_alone = counted(1, 0)
    sent = Sent("11668787484950529", "200", copies=copies())
    answers = [
        (error(400, "5002", "No valid recipients in list"), BAD_ADDRESS),
        (error(400, "1902", "Message generation rejected", SUPPRESSED), BAD_ADDRESS),
        (error(400, "1902", "Message generation rejected", "policy"), BAD_CONTENT),
        (error(400, "1502", "Server resources unavailable"), TRANSIENT),
        (error(400, "7000", "Sending domain blacklisted"), BAD_ACCOUNT),
        (error(400, "7001", "Invalid domain", "Unconfigured Sending Domain"), BAD_ACCOUNT),
        (Canned(401, {"errors": [{"message": "Unauthorized."}]}), BAD_ACCOUNT),
        (error(403, "1100", "permission denied"), BAD_ACCOUNT),
        (error(403, "1601", "No license"), BAD_ACCOUNT),
        (error(420, "2101", "Exceed Sending Limit (hourly)"), THROTTLED),
        (error(420, "2102", "Exceed Sending Limit (daily)"), THROTTLED),
        (error(420, "2105", "Exceed Sending Limit (monthly)"), BAD_ACCOUNT),
        (error(422, "1300", "invalid data format/type"), BAD_CONTENT),
        (error(422, "3000", "substitution language syntax error"), BAD_CONTENT),
        (Canned(429, {"errors": [{"message": "Too many requests"}]}), THROTTLED),
        (error(503, "1900", "Message generation module not available"), TRANSIENT),
        (error(500, "1500", "Failed to update database"), TRANSIENT),
        (Canned(500, {"errors": [{"message": "Internal Server Error"}]}), UNKNOWN),
        (counted(0, 1), BAD_ADDRESS),
        (Canned(200, {"results": {}}), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/api/v1/transmissions/"
        assert asked.headers["authorization"] == "spk-c0ffee-secret"
        seen = "ann@example.com"
        assert asked.json == {
            "recipients": [
                {"address": {"email": "ann@example.com", "header_to": seen}},
                {"address": {"email": "cc@example.com", "header_to": seen}},
                {"address": {"email": "bcc@example.com", "header_to": seen}},
            ],
            "content": {
                "from": '"Ä \\"Acme\\", Inc." <shop@acme.example>',
                "reply_to": "help@acme.example",
                "subject": "Order confirmed",
                "text": "Thank you.",
                "html": "<p>Thank you.</p>",
                "headers": {"Cc": "cc@example.com", "X-Order": "1"},
                "attachments": [{"name": "bill.pdf", "type": "application/pdf", "data": PDF}],
            },
            "metadata": {"attempt_id": "att_01"},
        }

    def test_somebody_refused(self, made: Driver, account: Account, server: Vendor) -> None:
        """It counts and does not name: nobody knows who of the three it was."""
        server.answers.append(counted(2, 1))
        assert isinstance(made.send(account, FULL, timeout=SECONDS), Unknown)

    def test_subaccount(self, made: Driver, account: Account, server: Vendor) -> None:
        settings = replace(account.settings, subaccount="7")
        made.send(replace(account, settings=settings), PLAIN, timeout=SECONDS)
        assert server.asked[0].headers["x-msys-subaccount"] == "7"
