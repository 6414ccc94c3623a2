"""What the tests of all drivers over HTTP have in common, besides the conformance of all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from delivery.driver import Account, Attachment, Copy, Driver, Failed, Fault, Message, Sent
from tests.drivers.conformance import AT, SECONDS, Case, Conformance, mailbox
from tests.drivers.vendor import Asked, Canned, Vendor

TRANSIENT = Fault.TRANSIENT
THROTTLED = Fault.THROTTLED
BAD_ADDRESS = Fault.BAD_ADDRESS
BAD_ACCOUNT = Fault.BAD_ACCOUNT
BAD_CONTENT = Fault.BAD_CONTENT
UNKNOWN = None

PLAIN = Message(
    key="ntf_01",
    channel="email",
    recipient="ann@example.com",
    at=AT,
    attempt_id="att_01",
    sender="shop@acme.example",
    subject="Order confirmed",
    text="Thank you.",
)
FULL = replace(
    PLAIN,
    sender_name='Ä "Acme", Inc.',
    html="<p>Thank you.</p>",
    reply_to="help@acme.example",
    cc=("cc@example.com",),
    bcc=("bcc@example.com",),
    headers={"X-Order": "1"},
    attachments=(Attachment("bill.pdf", "application/pdf", b"%PDF-1.7\n"),),
)
PDF = "JVBERi0xLjcK"
"""The attachment of FULL in base64."""

DATE = "Thu, 20 Nov 2025 23:15:00 +0000"

_GATEWAY = b"<html><body><center><h1>502 Bad Gateway</h1></center></body></html>"
_LATER = {"Retry-After": "7"}

# What is not the vendor's own is a gateway's: its 5xx may hide a yes.
EVERYWHERE = (
    Case("cut after the request", Canned(act="cut"), UNKNOWN),
    *(Case(f"gateway's {s}", Canned(s, _GATEWAY), UNKNOWN, str(s)) for s in (408, 500, 502, 504)),
    Case("gateway's 503", Canned(503, _GATEWAY, _LATER), TRANSIENT, "503", 7.0),
    Case("gateway's 429", Canned(429, _GATEWAY, _LATER), THROTTLED, "429", 7.0),
    Case("moved", Canned(302, _GATEWAY, {"Location": "/elsewhere"}), TRANSIENT, "302"),
    Case("moved for good", Canned(308, _GATEWAY, {"Location": "/"}), BAD_ACCOUNT, "308"),
    Case("no such path", Canned(404, _GATEWAY), BAD_ACCOUNT, "404"),
    Case("request repeated in a 401", Canned(401, act="echo"), BAD_ACCOUNT, "401"),
    Case("request repeated in a 500", Canned(500, act="echo"), UNKNOWN, "500"),
)


class DriverTests(Conformance):
    """What a driver asks, and what its vendor's answers mean."""

    driver: ClassVar[type[Driver]]
    settings: ClassVar[dict[str, Any]] = {}
    credentials: ClassVar[dict[str, str]]
    path: ClassVar[str] = ""
    """What the API's address has after the host."""

    message: ClassVar[Message] = FULL
    yes: ClassVar[Canned]
    """The vendor's answer to `message`, which means `sent`."""

    sent: ClassVar[Sent]
    yes_alone: ClassVar[Canned | None] = None
    """The answer to a message without copies, where that is another one."""

    answers: ClassVar[list[tuple[Canned, Fault | None]]]
    """The vendor's answers that are no yes, and what they mean."""

    wrong: ClassVar[Sequence[tuple[dict[str, Any], str]]] = (
        ({"api_url": "ftp://api.example"}, "api_url"),
    )

    def __init_subclass__(cls) -> None:
        own = (
            [
                Case(f"{number}: {canned.status} {fault}", canned, fault, str(canned.status))
                for number, (canned, fault) in enumerate(cls.answers)
            ]
            if hasattr(cls, "answers")
            else []
        )
        cls.cases = [*own, *EVERYWHERE]

    def check_request(self, asked: Asked) -> None:
        """Assert what a request for `message` looks like."""
        raise NotImplementedError

    def make(self) -> Driver:
        return self.driver()

    def account_for(self, port: int) -> Account:
        address = f"http://127.0.0.1:{port}{self.path}"
        settings = self.driver.settings(**{"api_url": address, **self.settings})
        return Account("prv_1", "1", settings, self.driver.credentials(**self.credentials))

    def order(self, server: Vendor, order: Canned) -> None:
        server.answers.append(order)

    def taken(self, server: Vendor) -> list[str]:
        found = (re.search(rb"ntf_\d\d", self.words(asked)) for asked in server.taken)
        return [match[0].decode() if match else "" for match in found]

    def handed_over(self, server: Vendor) -> list[bytes]:
        return [asked.body for asked in server.taken]

    def words(self, asked: Asked) -> bytes:
        """What a request says, in clear."""
        return asked.body

    def message_with(self, key: str = "ntf_01") -> Message:
        return replace(PLAIN, key=key, attempt_id="", subject=f"Order {key}")

    @pytest.fixture
    def server(self) -> Iterator[Vendor]:
        with Vendor(self.yes_alone or self.yes) as vendor:
            yield vendor

    @pytest.fixture
    def account(self, server: Vendor) -> Account:
        return self.account_for(server.port)

    def test_request(self, made: Driver, account: Account, server: Vendor) -> None:
        server.usual = self.yes
        answer = made.send(account, self.message, timeout=SECONDS)
        assert isinstance(answer, Sent), answer
        assert replace(answer, payload_sha256="") == self.sent
        assert [asked.method for asked in server.asked] == ["POST"]
        self.check_request(server.asked[0])

    def test_nothing_is_repeated(self, made: Driver, account: Account, server: Vendor) -> None:
        """Neither after a cut nor to where an answer points."""
        server.answers += [Canned(act="cut"), Canned(307, b"", {"Location": f"{server.url}/x"})]
        for asked in (1, 2):
            made.send(account, self.message, timeout=SECONDS)
            assert len(server.asked) == asked

    def test_payload_is_the_same_on_every_try(self, made: Driver, account: Account) -> None:
        tries = {
            made.payload(account, replace(self.message, attempt_id=f"att_{number}"))
            for number in range(3)
        }
        assert len(tries) == 1
        assert tries != {b""}


class MailTests(DriverTests):
    """Besides, for e-mail."""

    settings: ClassVar[dict[str, Any]] = {"from_email": "shop@acme.example"}
    wrong = (
        *DriverTests.wrong,
        ({"from_email": "nobody"}, "from_email"),
        ({"allowed_from": ("@acme.example", "help@acme.example", "@")}, "allowed_from"),
    )

    def senders(self, server: Vendor) -> list[tuple[str, str]]:
        return [self.sender_of(asked) for asked in server.taken]

    def sender_of(self, asked: Asked) -> tuple[str, str]:
        """From a JSON body, however the vendor has it there."""
        (found,) = said_from(asked.json, self.settings["from_email"])
        return found

    def test_either_body_is_enough(self, made: Driver, account: Account, server: Vendor) -> None:
        for message in (PLAIN, replace(PLAIN, text="", html="<p>Only</p>")):
            made.send(account, message, timeout=SECONDS)
        plain, html = (self.words(asked) for asked in server.asked)
        assert b"Thank" in plain
        assert b"Only" in html

    def test_unsendable(self, made: Driver, account: Account, server: Vendor) -> None:
        """What would be another message, or none, does not go out."""
        for recipient in (
            "a@example.com, b@example.com",
            "no address",
            "",
            "a@example.com\r\nBcc: b@example.com",
            "a@" + "ä" * 70 + ".example",
        ):
            answer = made.send(account, replace(PLAIN, recipient=recipient), timeout=SECONDS)
            assert isinstance(answer, Failed), recipient
            assert answer.fault is BAD_ADDRESS, recipient
        for changed in (
            replace(PLAIN, subject="a\nb"),
            replace(PLAIN, headers={"X-A": "b\r\nBcc: c@d.example"}),
            replace(PLAIN, cc=("nobody",)),
            replace(PLAIN, sender="a@example.com, b@example.com"),
        ):
            answer = made.send(account, changed, timeout=SECONDS)
            assert isinstance(answer, Failed), changed
            assert answer.fault is BAD_CONTENT, changed
            assert made.payload(account, changed) == b""
        assert server.asked == []


def said_from(value: Any, address: str) -> Iterator[tuple[str, str]]:
    """The names that stand by `address`: in a field beside it, or before it in one text."""
    if isinstance(value, str) and value.endswith(f"<{address}>"):
        yield mailbox(value)
    elif isinstance(value, list):
        for one in value:
            yield from said_from(one, address)
    elif isinstance(value, dict):
        fields = {name.lower().removeprefix("from_"): one for name, one in value.items()}
        if fields.get("email") == address:
            name = fields["name"]  # which Brevo gets in encoded words
            yield mailbox(f"{name} <{address}>") if "=?" in name else (name, address)
        for one in value.values():
            yield from said_from(one, address)


def copies(code: str = "queued") -> tuple[Copy, ...]:
    """What becomes of the copies of FULL when all goes well."""
    return (Copy("cc@example.com", True, code), Copy("bcc@example.com", True, code))
