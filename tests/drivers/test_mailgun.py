"""The Mailgun driver."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy

from delivery.driver import Account, Attachment, Driver, Sent
from delivery.drivers.mailgun import Mailgun
from tests.drivers.conformance import mailbox
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    FULL,
    PLAIN,
    SECONDS,
    THROTTLED,
    UNKNOWN,
    MailTests,
    copies,
)
from tests.drivers.vendor import Asked, Canned, Vendor

ID = "<20160306015544.116301.25145@acme.example>"
INVALID = "{} parameter is not a valid address. please check documentation"
SANDBOX = "Sandbox subdomains are for test purposes only. Please add your own domain."


def error(status: int, message: str) -> Canned:
    return Canned(status, {"message": message})


def parts(asked: Asked) -> list[tuple[str, str | None, bytes]]:
    """The fields of a multipart form: name, file name, content."""
    kind = asked.headers["content-type"].encode()
    form = message_from_bytes(
        b"Content-Type: " + kind + b"\r\n\r\n" + asked.body, policy=policy.HTTP
    )
    found = []
    for part in form.iter_parts():
        name = part["Content-Disposition"].params["name"]
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append((name, part.get_filename(), content))
    return found


class TestMailgun(MailTests):
    driver = Mailgun
    path = "/v3"
    credentials = {"api_key": "key-c0ffee-secret"}
    yes = Canned(200, {"id": ID, "message": "Queued. Thank you."})
    sent = Sent(ID, "200", copies=copies())
    answers = [
        (error(400, INVALID.format("to")), BAD_ADDRESS),
        (error(400, INVALID.format("'to'")), BAD_ADDRESS),
        (error(400, INVALID.format("cc")), BAD_CONTENT),
        (error(400, "Need at least one of 'text' or 'html' parameters specified"), BAD_CONTENT),
        (error(400, SANDBOX), BAD_ACCOUNT),
        (Canned(401, b"Forbidden"), BAD_ACCOUNT),
        (error(402, "Payment required"), BAD_ACCOUNT),
        (error(403, "Domain acme.example is not allowed to send: blocked"), BAD_ACCOUNT),
        (error(404, "Domain not found: acme.example"), BAD_ACCOUNT),
        (error(413, "Request Entity Too Large"), BAD_CONTENT),
        (error(429, "Domain acme.example is not allowed to send: rate"), THROTTLED),
        (error(500, "Internal Server Error"), UNKNOWN),
        (Canned(200, b"Mailgun Magnificent API"), BAD_ACCOUNT),
        (Canned(200, {"message": "Thank you."}), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/v3/acme.example/messages"
        assert asked.headers["authorization"] == "Basic YXBpOmtleS1jMGZmZWUtc2VjcmV0"
        assert parts(asked) == [
            ("from", None, '"Ä \\"Acme\\", Inc." <shop@acme.example>'.encode()),
            ("to", None, b"ann@example.com"),
            ("cc", None, b"cc@example.com"),
            ("bcc", None, b"bcc@example.com"),
            ("subject", None, b"Order confirmed"),
            ("h:Reply-To", None, b"help@acme.example"),
            ("h:X-Order", None, b"1"),
            ("h:Message-Id", None, b"<ntf_01@acme.example>"),
            ("text", None, b"Thank you."),
            ("html", None, b"<p>Thank you.</p>"),
            ("v:attempt_id", None, b"att_01"),
            ("attachment", "bill.pdf", b"%PDF-1.7\n"),
        ]

    def sender_of(self, asked: Asked) -> tuple[str, str]:
        return mailbox(dict(asked.form)["from"])

    def test_form(self, made: Driver, account: Account, server: Vendor) -> None:
        """Without files it is a plain form."""
        made.send(account, PLAIN, timeout=SECONDS)
        asked = server.asked[0]
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
        assert asked.form == [
            ("from", "shop@acme.example"),
            ("to", "ann@example.com"),
            ("subject", "Order confirmed"),
            ("h:Message-Id", "<ntf_01@acme.example>"),
            ("text", "Thank you."),
            ("v:attempt_id", "att_01"),
        ]

    def test_boundary(self, made: Driver, account: Account, server: Vendor) -> None:
        """What looks like the end of the form in an attachment does not end it."""
        boundary = made.payload(account, FULL).partition(b"\r\n")[0]
        field = b'\r\nContent-Disposition: form-data; name="bcc"\r\n\r\nmallory@example.com'
        forged = boundary + field + b"\r\n" + boundary + b"--"
        message = replace(FULL, attachments=(Attachment("a.bin", "application/x", forged),))
        made.send(account, message, timeout=SECONDS)
        assert parts(server.asked[0])[-1] == ("attachment", "a.bin", forged)

    def test_sender_domain(self, made: Driver, server: Vendor) -> None:
        account = self.account_for(server.port)
        account = replace(
            account, settings=replace(account.settings, sender_domain="mg.acme.example")
        )
        made.send(account, PLAIN, timeout=SECONDS)
        assert server.asked[0].path == "/v3/mg.acme.example/messages"
