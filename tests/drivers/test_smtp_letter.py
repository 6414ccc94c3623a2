"""From a message to the bytes of an e-mail: one mail in, exactly that mail out."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.driver import Attachment, Failed, Fault, Message, Sent
from delivery.drivers.smtp import Smtp
from delivery.smtp_driver.letter import BadAddress, BadLetter, Sender, address, compose
from tests.drivers.conformance import SECONDS, mailbox
from tests.drivers.smtp_account import FROM, MESSAGE, account
from tests.drivers.smtp_peer import FEATURES, SmtpPeer

SENDER = Sender(FROM, "Shop")
PLAIN = replace(MESSAGE, html="")


def read(message: Message, sender: Sender = SENDER) -> EmailMessage:
    """What a mail reader makes of it, after checks that hold for every mail."""
    data = compose(message, sender).data
    assert data == compose(message, sender).data
    assert re.search(rb"\r(?!\n)|(?<!\r)\n", data) is None
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.endswith(b"\r\n")
    parsed = email.message_from_bytes(data, policy=email.policy.SMTPUTF8)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def body(part: Any) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_plain_mail_byte_for_byte() -> None:
    assert compose(PLAIN, SENDER).data == (
        b'Content-Type: text/plain; charset="utf-8"\r\n'
        b"MIME-Version: 1.0\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"Subject: Order confirmed\r\n"
        b"From: Shop <shop@acme.example>\r\n"
        b"To: ann@example.com\r\n"
        b"Message-ID: <ntf_01@acme.example>\r\n"
        b"Date: Thu, 20 Nov 2025 23:15:00 +0000\r\n"
        b"\r\n"
        b"Thank you.\r\n"
    )


def test_every_part_comes_out_as_it_went_in() -> None:
    file = bytes(range(256)) * 10
    mail = read(
        replace(
            MESSAGE,
            subject="Grüße " * 30,
            sender_name='Jörg "J" <x>, Inc.',
            text="Grüße\n.\nFrom me\n" + "x" * 2000,
            html="<p>Привет</p>\n" * 50,
            reply_to="help@bücher.example",
            cc=("cc@example.com",),
            bcc=("bcc@example.com",),
            headers={"List-Unsubscribe": f"<https://acme.example/{'u' * 200}>", "X-Long": "w " * 200},
            attachments=(
                Attachment("Rechnung ü.pdf", "application/pdf", file),
                Attachment("notes.txt", "text/plain", b"a\nb\r\nc\rd"),
                Attachment("old.eml", "message/rfc822", b"Subject: x\n\ny"),
                Attachment("odd", "text/html\r\nX-Evil: 1", b"odd"),
            ),
        )
    )  # fmt: skip
    assert mail["Subject"] == "Grüße " * 30
    assert mail["From"].addresses[0].display_name == 'Jörg "J" <x>, Inc.'
    assert mail["Reply-To"] == "help@xn--bcher-kva.example"
    assert mail["Cc"] == "cc@example.com"
    assert mail["X-Long"].split() == ["w"] * 200
    assert mail["List-Unsubscribe"] == f"<https://acme.example/{'u' * 200}>"
    assert "bcc" not in mail.as_string().lower()
    assert mail["X-Evil"] is None
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf",
        "text/plain", "application/octet-stream", "application/octet-stream",
    ]  # fmt: skip
    _, _, text, html, *files = mail.walk()
    assert body(text) == "Grüße\n.\nFrom me\n" + "x" * 2000 + "\n"
    assert body(html) == "<p>Привет</p>\n" * 50
    assert [part.get_payload(decode=True) for part in files] == [
        file, b"a\nb\r\nc\rd", b"Subject: x\n\ny", b"odd"
    ]  # fmt: skip
    assert files[0].get_filename() == "Rechnung ü.pdf"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Hello\n", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("Grüße aus dem Süden\n", "quoted-printable"),
        ("bell \x07 and nul \x00", "quoted-printable"),
        ("Привет", "base64"),
    ],
)
def test_no_text_is_8_bit(text: str, encoding: str) -> None:
    mail = read(replace(PLAIN, text=text))
    assert mail["Content-Transfer-Encoding"] == encoding
    assert body(mail).removesuffix("\n") == text.removesuffix("\n")
    assert compose(replace(PLAIN, text=text), SENDER).data.isascii()


def test_html_alone_is_one_part() -> None:
    assert read(replace(MESSAGE, text="")).get_content_type() == "text/html"
    assert body(read(replace(MESSAGE, text="", html=""))) == "\n"


def test_only_another_message_has_other_bytes() -> None:
    """A try is told from another only by what the server does not see."""
    assert compose(replace(MESSAGE, attempt_id="att_2"), SENDER) == compose(MESSAGE, SENDER)
    others = [replace(MESSAGE, key="ntf_02"), replace(MESSAGE, recipient="bob@example.com")]
    assert len({compose(message, SENDER).data for message in (MESSAGE, *others)}) == 3


BREAKS = ["\n", "\r", "\r\n", "\r\nBcc: eve@example.com", "\n\n<script>", "\r\n\r\n.\r\nMAIL"]


@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize("field", ["subject", "sender_name", "reply_to", "key"])
def test_a_line_break_in_a_header_ends_the_message(field: str, line_break: str) -> None:
    change: dict[str, Any] = {field: f"a{line_break}b@example.com"}
    with pytest.raises(BadLetter):
        compose(replace(MESSAGE, **change), SENDER)


@pytest.mark.parametrize(
    "name", ["Ä\r\nBcc: eve@example.com", "ä\n b", "a\0b", "a\x85b", "a\u2028b"]
)
def test_nor_may_a_name_hide_one_in_an_encoded_word(name: str) -> None:
    with pytest.raises(BadLetter):
        compose(replace(MESSAGE, sender_name=name), SENDER)


def test_an_encoded_word_in_a_name_is_not_read_as_one() -> None:
    name = "=?utf-8?q?a=0D=0ABcc:_eve=40example.com?="
    data = compose(replace(PLAIN, sender_name=name), SENDER).data
    assert mailbox(email.message_from_bytes(data)["From"]) == (name, FROM)


@pytest.mark.parametrize("line_break", BREAKS)
def test_nor_in_what_has_a_name(line_break: str) -> None:
    for headers in (
        {"X-A": f"a{line_break}b"},
        {f"X-A{line_break}": "b"},
        {f"X{line_break}Y: z": "b"},
    ):
        with pytest.raises(BadLetter):
            compose(replace(MESSAGE, headers=headers), SENDER)
    named = (Attachment(f"a{line_break}b", "text/plain", b""),)
    with pytest.raises(BadLetter):
        compose(replace(MESSAGE, attachments=named), SENDER)
    with pytest.raises(BadLetter):
        compose(replace(MESSAGE, cc=(f"a{line_break}b@example.com",)), SENDER)


@pytest.mark.parametrize("name", ["Bcc", "bcc", "FROM", "Message-ID", "Content-Type", "Received", "", "X Y", "X:", "Ü"])  # fmt: skip
def test_headers_that_nobody_may_set(name: str) -> None:
    with pytest.raises(BadLetter):
        compose(replace(MESSAGE, headers={name: "x"}), SENDER)


@pytest.mark.parametrize(
    "text",
    [
        "a\r\n.\r\nMAIL FROM:<x@y.z>\r\n", "a\n.\nb", "a\r.\rb", "a\n.\r\nb", "a\r\n.\nb", "a\r\n.\rb",
        "a\r.\r\nb", ".", "..", ".\r\n", "\r\n.\r\n", "\n.\r", "a\x00\n.\x00\n", "a\r\r\n.\r\r\nb",
        "é\r\n.\r\né", "é\n.\r\né", "é\r.\ré", "x" * 1000 + "\n.\n",
    ],
)  # fmt: skip
def test_no_body_smuggles_a_second_message(smtp: Smtp, text: str) -> None:
    """A22: whatever dots and line ends the text has, the server sees one message with that text."""
    message = replace(PLAIN, text=text)
    with SmtpPeer() as peer:
        answer = smtp.send(account(peer.port), message, timeout=SECONDS)
        assert isinstance(answer, Sent)
        assert peer.lines == [peer.lines[0], peer.lines[1], "RCPT TO:<ann@example.com>", "DATA"]
        (mail,) = peer.received
    assert mail.data == compose(message, Sender(FROM)).data
    arrived = email.message_from_bytes(mail.data, policy=email.policy.SMTP)
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    assert body(arrived).removesuffix("\n") == unified.removesuffix("\n")


@given(
    text=st.text(st.characters(codec="utf-8"), max_size=300),
    html=st.text(st.characters(codec="utf-8"), max_size=300),
    subject=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=200),
)
def test_any_text_survives(text: str, html: str, subject: str) -> None:
    mail = read(replace(MESSAGE, text=f"t{text}", html=f"h{html}", subject=subject))
    _, plain, rich = mail.walk()
    for part, wanted in ((plain, f"t{text}"), (rich, f"h{html}")):
        unified = wanted.replace("\r\n", "\n").replace("\r", "\n")
        got = part.get_payload(decode=True)
        assert isinstance(got, bytes)
        assert got.decode().replace("\r\n", "\n").removesuffix("\n") == unified.removesuffix("\n")
    assert mail["Subject"] == subject


@given(st.text(max_size=80))
def test_no_text_makes_an_address_that_breaks_out(text: str) -> None:
    for candidate in (text, f"{text}@example.com", f"a@{text}"):
        try:
            found = address(candidate)
        except BadAddress:
            continue
        assert found.isprintable()
        assert found.count("@") >= 1
        if not found.startswith('"'):
            assert not set(found) & set(' <>()",;:\\')


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("ann@example.com", "ann@example.com"),
        ("o'hara+tag=x!#$%&*/?^_`{|}~-@Example.COM", "o'hara+tag=x!#$%&*/?^_`{|}~-@Example.COM"),
        ("first..last@example.com", "first..last@example.com"),
        ('"ann <x>"@example.com', '"ann <x>"@example.com'),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("ann@MÜNCHEN.example", "ann@xn--mnchen-3ya.example"),
        ("ann@localhost", "ann@localhost"),
    ],
)
def test_addresses(given_: str, wanted: str) -> None:
    assert address(given_) == wanted


def test_a_text_that_cannot_be_written_is_a_value(smtp: Smtp) -> None:
    with SmtpPeer() as peer:
        answer = smtp.send(account(peer.port), replace(PLAIN, text="\ud800"), timeout=SECONDS)
        assert isinstance(answer, Failed)
        assert answer.fault is Fault.BAD_CONTENT
        assert peer.connections == 0


def test_a_return_path_is_on_the_envelope_alone(smtp: Smtp) -> None:
    one, two = (replace(PLAIN, return_path=f"b+{n}@bounces.acme.example") for n in "12")
    with SmtpPeer() as peer:
        answers = [smtp.send(account(peer.port), mail, timeout=SECONDS) for mail in (one, two)]
        assert [mail.sender.partition(" ")[0] for mail in peer.received] == [
            "<b+1@bounces.acme.example>", "<b+2@bounces.acme.example>"
        ]  # fmt: skip
        plain = compose(PLAIN, Sender(FROM)).data
        assert [mail.data for mail in peer.received] == [plain, plain]
    assert len({getattr(answer, "payload_sha256", answer) for answer in answers}) == 1
    assert smtp.payload(account(1), one) == smtp.payload(account(1), PLAIN)


@pytest.mark.parametrize("wrong", ["b+1", "b+1@", "b+1@x>\r\nDATA", "b+ 1@acme.example"])
def test_a_return_path_that_is_no_address_is_not_sent(wrong: str) -> None:
    with pytest.raises(BadLetter):
        compose(replace(PLAIN, return_path=wrong), SENDER)


@pytest.mark.parametrize("path", ["", "b+1@bounces.acme.example"])
@pytest.mark.parametrize("features", [FEATURES, (*FEATURES, "DSN")])
def test_only_what_we_read_ourselves_is_to_come_back_without_its_body(
    smtp: Smtp, path: str, features: tuple[str, ...]
) -> None:
    with SmtpPeer(features=features) as peer:
        mail = replace(PLAIN, return_path=path)
        assert isinstance(smtp.send(account(peer.port), mail, timeout=SECONDS), Sent)
        [received] = peer.received
    said = received.sender.split(" ")[1:]
    assert said[0].startswith("SIZE=")
    assert said[1:] == (["RET=HDRS"] if path and "DSN" in features else [])
