"""The SMTP driver: who gets a message, each recipient on its own."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from delivery.driver import Copy, Failed, Fault, Sent
from delivery.drivers.smtp import Smtp
from delivery.smtp_driver.line import RESET_SECONDS
from tests.drivers.conformance import SECONDS
from tests.drivers.smtp_account import MESSAGE, account
from tests.drivers.smtp_peer import FEATURES, SmtpPeer

A = Fault.BAD_ADDRESS

COPIED = replace(
    MESSAGE, cc=("cc@example.com", "late@example.com"), bcc=("bcc@example.com", "no@example.com")
)


@pytest.mark.parametrize("features", [FEATURES, ()], ids=["pipelining", "one by one"])
def test_each_recipient_is_on_its_own(smtp: Smtp, features: tuple[str, ...]) -> None:
    replies = {
        "RCPT TO:<late@example.com>": b"452 4.2.2 full\r\n",
        "RCPT TO:<no@example.com>": b"550 5.1.1 unknown\r\n",
    }
    with SmtpPeer(replies, features=features) as peer:
        answer = smtp.send(account(peer.port), COPIED, timeout=SECONDS)
    assert isinstance(answer, Sent)
    assert answer.copies == (
        Copy("cc@example.com", True, "250"),
        Copy("late@example.com", False, "452", "full"),
        Copy("bcc@example.com", True, "250"),
        Copy("no@example.com", False, "550", "unknown"),
    )
    (mail,) = peer.received
    assert mail.recipients == ("ann@example.com", "cc@example.com", "bcc@example.com")
    assert b"bcc@example.com" not in mail.data
    assert b"Cc: cc@example.com, late@example.com\r\n" in mail.data


@pytest.mark.parametrize("features", [FEATURES, ()], ids=["pipelining", "one by one"])
def test_a_refused_recipient_stops_the_copies_too(smtp: Smtp, features: tuple[str, ...]) -> None:
    replies = {"RCPT TO:<ann@example.com>": b"550 5.1.1 unknown\r\n"}
    with SmtpPeer(replies, features=features) as peer:
        answer = smtp.send(account(peer.port), COPIED, timeout=SECONDS)
        assert isinstance(answer, Failed)
        assert answer.fault is A
        assert peer.received == []
        assert "DATA" not in peer.lines
        assert isinstance(
            smtp.send(
                account(peer.port), replace(COPIED, recipient="b@example.com"), timeout=SECONDS
            ),
            Sent,
        )
        assert peer.connections == 1


def test_a_server_that_wants_data_without_a_recipient_gets_none(smtp: Smtp) -> None:
    """RFC 2920 lets it: what is sent now would be delivered to nobody, or to somebody."""
    replies = {"RCPT": [b"550 5.1.1 unknown\r\n"], "DATA": [b"354 go\r\n"]}
    with SmtpPeer(replies) as peer:
        started = time.monotonic()
        answer = smtp.send(account(peer.port), MESSAGE, timeout=SECONDS)
        assert time.monotonic() - started < RESET_SECONDS / 2, "a RSET would be read as text"
        assert isinstance(answer, Failed)
        assert answer.fault is A
        assert peer.received == []
        assert isinstance(smtp.send(account(peer.port), MESSAGE, timeout=SECONDS), Sent)
        assert peer.connections == 2


def test_one_address_twice_is_one_recipient(smtp: Smtp) -> None:
    message = replace(MESSAGE, cc=("ann@example.com", "b@example.com"), bcc=("b@example.com",))
    with SmtpPeer() as peer:
        answer = smtp.send(account(peer.port), message, timeout=SECONDS)
    assert isinstance(answer, Sent)
    assert peer.received[0].recipients == ("ann@example.com", "b@example.com")
    assert [copy.accepted for copy in answer.copies] == [True, True, True]


def test_more_recipients_than_one_pipeline(smtp: Smtp) -> None:
    copies = tuple(f"c{number}@example.com" for number in range(120))
    with SmtpPeer({"RCPT TO:<c77@example.com>": b"550 5.1.1 no\r\n"}) as peer:
        answer = smtp.send(account(peer.port), replace(MESSAGE, bcc=copies), timeout=SECONDS)
    assert isinstance(answer, Sent)
    assert [copy.address for copy in answer.copies if not copy.accepted] == ["c77@example.com"]
    assert len(peer.received[0].recipients) == 120


@pytest.mark.parametrize(
    "recipient",
    ["", "ann", "@example.com", "a b@example.com", "a@b@example.com", "ann@[127.0.0.1]", "ann@-x.org",
     "a\r\nRCPT TO:<b@c.org>@example.com", "ann@example.com>\r\nDATA", "<ann@example.com>",
     "a" * 65 + "@example.com", "ann@" + "a." * 130 + "org", "ann@exa mple.com", "ann,b@example.com"],
)  # fmt: skip
def test_what_is_no_address_never_leaves(smtp: Smtp, recipient: str) -> None:
    with SmtpPeer() as peer:
        answer = smtp.send(
            account(peer.port), replace(MESSAGE, recipient=recipient), timeout=SECONDS
        )
        assert isinstance(answer, Failed)
        assert answer.fault is A
        assert peer.connections == 0


def test_international_addresses(smtp: Smtp) -> None:
    message = replace(MESSAGE, recipient="jörg@bücher.example", cc=("ann@straße.example",))
    with SmtpPeer() as peer:
        assert isinstance(smtp.send(account(peer.port), message, timeout=SECONDS), Sent)
        assert peer.lines[1].endswith(" BODY=8BITMIME SMTPUTF8")
        assert peer.received[0].recipients == (
            "jörg@xn--bcher-kva.example", "ann@xn--strae-oqa.example"
        )  # fmt: skip
        assert "\r\nTo: jörg@xn--bcher-kva.example\r\n".encode() in peer.received[0].data


@pytest.mark.parametrize(
    ("change", "fault"),
    [({"recipient": "jörg@example.com"}, A), ({"cc": ("jörg@example.com",)}, Fault.BAD_CONTENT)],
)
def test_international_addresses_need_smtputf8(
    smtp: Smtp, change: dict[str, Any], fault: Fault
) -> None:
    features = tuple(feature for feature in FEATURES if feature != "SMTPUTF8")
    with SmtpPeer(features=features) as peer:
        answer = smtp.send(account(peer.port), replace(MESSAGE, **change), timeout=SECONDS)
        assert isinstance(answer, Failed)
        assert answer.fault is fault
        assert not any(line.startswith("MAIL") for line in peer.lines)
        domains = replace(MESSAGE, recipient="ann@bücher.example")
        assert isinstance(smtp.send(account(peer.port), domains, timeout=SECONDS), Sent)


def test_a_message_larger_than_the_server_takes(smtp: Smtp) -> None:
    with SmtpPeer(features=("SIZE 200", "PIPELINING")) as peer:
        answer = smtp.send(account(peer.port), MESSAGE, timeout=SECONDS)
        assert isinstance(answer, Failed)
        assert answer.fault is Fault.BAD_CONTENT
        assert not any(line.startswith("MAIL") for line in peer.lines)


def test_only_senders_of_the_account(smtp: Smtp) -> None:
    allowed = ("news@acme.example", "@Mail.acme.example")
    with SmtpPeer() as peer:
        opened = account(peer.port, from_name="Shop", allowed_from=allowed)
        for sender in ("shop@acme.example", "NEWS@acme.example", "x@mail.acme.example"):
            answer = smtp.send(opened, replace(MESSAGE, sender=sender), timeout=SECONDS)
            assert isinstance(answer, Sent), sender
        for sender in ("x@acme.example", "news@mail.acme.example.org", "x@sub.mail.acme.example"):
            answer = smtp.send(opened, replace(MESSAGE, sender=sender), timeout=SECONDS)
            assert isinstance(answer, Failed), sender
            assert answer.fault is Fault.BAD_CONTENT
    shown = [mail.data.split(b"From: ")[1].split(b"\r\n")[0] for mail in peer.received]
    assert shown == [b"Shop <shop@acme.example>", b"NEWS@acme.example", b"x@mail.acme.example"]
