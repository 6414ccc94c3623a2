"""The Postal driver."""

from __future__ import annotations

from delivery.driver import Account, Driver, Sent
from delivery.drivers.postal import Postal
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_CONTENT,
    FULL,
    PDF,
    SECONDS,
    TRANSIENT,
    UNKNOWN,
    MailTests,
    copies,
)
from tests.drivers.vendor import Asked, Canned, Vendor


def said(status: str, **data: object) -> Canned:
    return Canned(200, {"status": status, "time": 0.012, "flags": {}, "data": data})


class TestPostal(MailTests):
    driver = Postal
    credentials = {"api_key": "pst-c0ffee-secret"}
    yes = said(
        "success",
        message_id="b6b1@rp.acme.example",
        messages={
            "ann@example.com": {"id": 11, "token": "hyTrL0"},
            "cc@example.com": {"id": 12, "token": "hyTrL1"},
            "bcc@example.com": {"id": 13, "token": "hyTrL2"},
        },
    )
    sent = Sent("11", "200", copies=copies())
    answers = [
        (said("error", code="AccessDenied", message="Must be authenticated."), BAD_ACCOUNT),
        (said("error", code="InvalidServerAPIKey", message="Not valid.", token="x"), BAD_ACCOUNT),
        (said("error", code="ServerSuspended"), BAD_ACCOUNT),
        (said("error", code="UnauthenticatedFromAddress", message="Not authorised"), BAD_ACCOUNT),
        (said("error", code="NoContent", message="There is no content"), BAD_CONTENT),
        (said("error", code="AttachmentMissingName", message="No name"), BAD_CONTENT),
        (said("parameter-error", message="`to` is required"), BAD_CONTENT),
        (said("error", code="InternalServerError"), TRANSIENT),
        (said("success", messages={}), UNKNOWN),
        (Canned(200, {"hello": "world"}), UNKNOWN),
        (Canned(404, {"message": "no such path"}), BAD_ACCOUNT),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/api/v1/send/message"
        assert asked.headers["x-server-api-key"] == "pst-c0ffee-secret"
        assert asked.json == {
            "from": '"Ä \\"Acme\\", Inc." <shop@acme.example>',
            "to": ["ann@example.com"],
            "cc": ["cc@example.com"],
            "bcc": ["bcc@example.com"],
            "reply_to": "help@acme.example",
            "subject": "Order confirmed",
            "plain_body": "Thank you.",
            "html_body": "<p>Thank you.</p>",
            "headers": {"X-Order": "1", "Date": "Thu, 20 Nov 2025 23:15:00 +0000"},
            "attachments": [{"name": "bill.pdf", "data": PDF, "content_type": "application/pdf"}],
        }

    def test_key_in_error(self, made: Driver, account: Account, server: Vendor) -> None:
        """Postal repeats the key that it does not know."""
        text = "The API token pst-c0ffee-secret was not valid."
        server.answers.append(said("error", code="InvalidServerAPIKey", message=text))
        answer = made.send(account, FULL, timeout=SECONDS)
        assert answer.detail == "InvalidServerAPIKey: The API token *** was not valid."
