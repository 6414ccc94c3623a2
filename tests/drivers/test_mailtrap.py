"""The Mailtrap driver."""

from __future__ import annotations

from dataclasses import replace

from delivery.driver import Account, Driver, Sent
from delivery.drivers.mailtrap import Mailtrap
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


def error(status: int, *errors: str) -> Canned:
    return Canned(status, {"success": False, "errors": errors})


class TestMailtrap(MailTests):
    driver = Mailtrap
    path = "/api"
    credentials = {"api_token": "mt-c0ffee-secret"}
    yes = Canned(200, {"success": True, "message_ids": ["id-to", "id-cc", "id-bcc"]})
    yes_alone = Canned(200, {"success": True, "message_ids": ["id-to"]})
    sent = Sent("id-to", "200", copies=copies())
    answers = [
        (error(400, "'to' address is invalid"), BAD_ADDRESS),
        (error(400, "address is invalid in 'to' 0"), BAD_ADDRESS),
        (error(400, "'from' address is invalid"), BAD_CONTENT),
        (
            error(400, "'subject' is required", "must specify either text or html body"),
            BAD_CONTENT,
        ),
        (error(401, "Unauthorized"), BAD_ACCOUNT),
        (error(403, "Forbidden"), BAD_ACCOUNT),
        (error(429, "Rate limit exceeded"), THROTTLED),
        (error(500, "Internal server error"), TRANSIENT),
        (Canned(200, {"success": True}), UNKNOWN),
        (error(200, "'subject' is required"), BAD_CONTENT),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/api/send"
        assert asked.headers["api-token"] == "mt-c0ffee-secret"
        assert asked.json == {
            "from": {"email": "shop@acme.example", "name": 'Ä "Acme", Inc.'},
            "to": [{"email": "ann@example.com"}],
            "cc": [{"email": "cc@example.com"}],
            "bcc": [{"email": "bcc@example.com"}],
            "reply_to": {"email": "help@acme.example"},
            "subject": "Order confirmed",
            "text": "Thank you.",
            "html": "<p>Thank you.</p>",
            "headers": {"X-Order": "1"},
            "custom_variables": {"attempt_id": "att_01"},
            "attachments": [{"filename": "bill.pdf", "type": "application/pdf", "content": PDF}],
        }

    def test_sandbox(self, made: Driver, account: Account, server: Vendor) -> None:
        """A sandbox has one id for all, and an address of its own."""
        server.answers.append(Canned(200, {"success": True, "message_ids": ["one"]}))
        inside = replace(account, revision="2", settings=replace(account.settings, sandbox_id="7"))
        answer = made.send(inside, PLAIN, timeout=SECONDS)
        assert isinstance(answer, Sent)
        assert answer.provider_message_id == "one"
        assert server.asked[0].path == "/api/send/7"
        usual = Mailtrap.settings(from_email="shop@acme.example", sandbox_id="7")
        options = Mailtrap().backend_options(replace(account, settings=usual))
        assert options["api_url"] == "https://sandbox.api.mailtrap.io/api/"
