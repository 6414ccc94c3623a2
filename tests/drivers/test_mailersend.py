"""The MailerSend driver."""

from __future__ import annotations

from typing import Any

from delivery.driver import Copy, Sent
from delivery.drivers.mailersend import MailerSend
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

ID = "5e42957d51f1d94a1070a733"
INVALID = "The {0} must be a valid email address. #MS42207"
TRIAL = "Trial accounts can only send emails to the administrator's email address. #MS42225"


def error(status: int, message: str, **errors: Any) -> Canned:
    return Canned(status, {"message": message} | ({"errors": errors["errors"]} if errors else {}))


def invalid(*names: str) -> Canned:
    texts = {name: [INVALID.format(name)] for name in names}
    return error(422, INVALID.format(names[0]), errors=texts)


def suppressed(kind: str, email: str, **headers: str) -> Canned:
    person = {"email": email, "name": None, "reasons": ["hard_bounced"]}
    warning = {"type": kind, "message": "Suppressed.", "recipients": [person]}
    body = {"message": "There are some warnings for your request.", "warnings": [warning]}
    return Canned(202, body, headers)


class TestMailerSend(MailTests):
    driver = MailerSend
    path = "/v1"
    credentials = {"api_token": "mlsn.secret"}
    yes = Canned(202, b"", {"X-Message-Id": ID, "Content-Type": "text/html; charset=UTF-8"})
    sent = Sent(ID, "202", copies=copies())
    answers = [
        (error(401, "Unauthenticated."), BAD_ACCOUNT),
        (error(403, "This action is unauthorized."), BAD_ACCOUNT),
        (error(421, "Service is not available, try again later"), TRANSIENT),
        (invalid("to.0.email"), BAD_ADDRESS),
        (invalid("cc.0.email"), BAD_CONTENT),
        (invalid("to.0.email", "subject"), BAD_CONTENT),
        (invalid("from.email"), BAD_ACCOUNT),
        (error(422, TRIAL, errors={"to": [TRIAL]}), BAD_ACCOUNT),
        (error(429, "Too Many Attempts."), THROTTLED),
        (error(500, "Server Error"), UNKNOWN),
        (suppressed("ALL_SUPPRESSED", "ann@example.com"), BAD_ADDRESS),
        (Canned(202, {"message": "?", "warnings": [{"type": "NEW"}]}), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/v1/email"
        assert asked.headers["authorization"] == "Bearer mlsn.secret"
        assert asked.json == {
            "from": {"email": "shop@acme.example", "name": 'Ä "Acme", Inc.'},
            "to": [{"email": "ann@example.com"}],
            "cc": [{"email": "cc@example.com"}],
            "bcc": [{"email": "bcc@example.com"}],
            "reply_to": {"email": "help@acme.example"},
            "subject": "Order confirmed",
            "text": "Thank you.",
            "html": "<p>Thank you.</p>",
            "headers": [{"name": "X-Order", "value": "1"}],
            "attachments": [{"filename": "bill.pdf", "content": PDF, "disposition": "attachment"}],
        }


class TestSomeSuppressed(TestMailerSend):
    """A copy on the suppression list does not stop the recipient's."""

    yes = suppressed("SOME_SUPPRESSED", "cc@example.com", **{"X-Message-Id": ID})
    sent = Sent(ID, "202", copies=(Copy("cc@example.com", False, "rejected"), copies()[1]))
