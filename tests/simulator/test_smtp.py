"""SMTP: what a mail goes through and what of it is kept."""

import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.simulator import smtp
from delivery.simulator.server import Config, Simulator
from delivery.simulator.tls import make_certificate
from tests.simulator.talk import Talk

MAIL = b"Message-ID: <k1@shop.test>\r\nSubject: Hello\r\n\r\nHello\r\n"


def client(sim: Simulator) -> smtplib.SMTP:
    return smtplib.SMTP(sim.smtp_host, sim.smtp_port, timeout=10)


def opened(talk: Talk, *recipients: bytes) -> None:
    """Walk to the point where the mail's text is wanted."""
    talk.reply()
    talk.ask(b"EHLO shop.test")
    talk.ask(b"MAIL FROM:<a@shop.test>")
    for recipient in recipients or (b"b@shop.test",):
        talk.ask(b"RCPT TO:<" + recipient + b">")
    assert talk.ask(b"DATA").startswith(b"354 ")


def test_a_mail_is_kept_byte_for_byte_with_its_envelope(sim):
    raw = MAIL + b".\r\n..\r\n.dots\r\nend\r\n"
    with client(sim) as smtp_client:
        smtp_client.login("shop", "secret")
        smtp_client.sendmail("a@shop.test", ["b@shop.test", "c@shop.test"], raw)
    (mail,) = sim.messages()
    assert mail.raw == raw
    assert (mail.vendor, mail.channel, mail.key) == ("smtp", "email", "k1")
    assert (mail.sender, mail.recipients) == ("a@shop.test", ("b@shop.test", "c@shop.test"))
    assert (mail.account, mail.message_id, mail.subject) == ("shop", "k1@shop.test", "Hello")


def test_every_recipient_is_an_arrival(sim):
    with client(sim) as smtp_client:
        smtp_client.sendmail("a@shop.test", ["b@shop.test", "c@shop.test"], MAIL)
    seen = [(a["n"], a["key"], a["recipient"], a["vendor"]) for a in sim.arrivals()]
    assert seen == [(1, "k1", "b@shop.test", "smtp"), (2, "k1", "c@shop.test", "smtp")]


def test_the_extensions_are_advertised(sim):
    with client(sim) as smtp_client:
        smtp_client.ehlo()
        features = {name: value.strip() for name, value in smtp_client.esmtp_features.items()}
    assert features == {
        "size": "33554432",
        "8bitmime": "",
        "smtputf8": "",
        "auth": "LOGIN PLAIN",
        "pipelining": "",
        "enhancedstatuscodes": "",
        "help": "",
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_login_name_that_begins_with_invalid_is_refused(sim, mechanism):
    with client(sim) as smtp_client:
        smtp_client.ehlo()
        smtp_client.esmtp_features["auth"] = mechanism
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            smtp_client.login("invalid-shop", "secret")
        assert refused.value.args == (535, b"5.7.8 Authentication credentials invalid")


def test_where_a_password_is_set_only_that_one_passes_and_it_is_needed():
    with Simulator(Config(password="right")) as sim, client(sim) as smtp_client:
        smtp_client.ehlo()
        assert smtp_client.mail("a@shop.test")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp_client.login("shop", "wrong")
        smtp_client.login("shop", "right")
        smtp_client.sendmail("a@shop.test", ["b@shop.test"], MAIL)
        assert sim.count() == 1


def test_a_pipelined_conversation_of_two_mails_in_one_write(sim):
    with Talk(sim.smtp_port) as talk:
        talk.reply()
        talk.ask(b"EHLO shop.test")
        envelope = b"MAIL FROM:<a@shop.test>\r\nRCPT TO:<b@shop.test>\r\nDATA\r\n"
        talk.say((envelope + MAIL + b".\r\n") * 2 + b"QUIT\r\n")
        codes = [talk.reply()[:3] for _ in range(9)]
        assert codes == [b"250", b"250", b"354", b"250"] * 2 + [b"221"]
        assert talk.rest() == b""
    assert [mail.raw for mail in sim.messages()] == [MAIL, MAIL]


def test_the_end_of_a_mail_is_found_in_any_fragments(sim):
    with Talk(sim.smtp_port) as talk:
        opened(talk)
        for byte in b"a\r\n..b\r\n.\r\n":
            talk.say(bytes([byte]))
        assert talk.reply().startswith(b"250 2.0.0 Ok: queued as ")
    assert sim.messages()[0].raw == b"a\r\n.b\r\n"


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"", ""), (b"\r\n", ""), (b"\r\n\r\n", "\r\n"), (b"x\r\n", "x\r\n"), (b"A: b\r\n", "")],
)
def test_the_smallest_mails(sim, raw, text):
    with Talk(sim.smtp_port) as talk:
        opened(talk)
        assert talk.ask(raw + b".").startswith(b"250 ")
        assert talk.ask(b"NOOP") == b"250 OK"
    (mail,) = sim.messages()
    assert (mail.raw, mail.key, mail.subject, mail.content.text) == (raw, "", "", text)


@pytest.mark.parametrize("smuggled", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r"])
def test_a_bare_cr_or_lf_neither_ends_a_mail_nor_is_taken(sim, smuggled):
    with Talk(sim.smtp_port) as talk:
        opened(talk)
        talk.say(b"one" + smuggled + b"MAIL FROM:<evil@shop.test>\r\n.\r\n")
        assert talk.reply() == b"550 5.6.0 CR and LF only together"
        assert talk.ask(b"NOOP") == b"250 OK"
    assert sim.messages() == []


def test_a_line_of_1000_octets_is_the_longest(sim):
    with Talk(sim.smtp_port) as talk:
        opened(talk)
        assert talk.ask(b"x" * 998 + b"\r\n.").startswith(b"250 ")
        talk.ask(b"MAIL FROM:<a@shop.test>")
        talk.ask(b"RCPT TO:<b@shop.test>")
        talk.ask(b"DATA")
        assert talk.ask(b"x" * 999 + b"\r\n.") == b"500 5.5.2 a line is too long"
    assert sim.count() == 1


def test_a_mail_over_the_limit_is_read_to_its_end_and_refused(sim, monkeypatch):
    monkeypatch.setattr(smtp, "MAX_MAIL", 100_000)
    with Talk(sim.smtp_port) as talk:
        opened(talk)
        talk.say(b"0123456789\r\n" * 50_000)
        assert talk.ask(b".") == b"552 5.3.4 too big"
        assert talk.ask(b"NOOP") == b"250 OK"
        assert talk.ask(b"MAIL FROM:<a@shop.test> SIZE=100001").startswith(b"552 ")
    assert sim.count() == 0


def test_a_large_mail_arrives_whole(sim):
    raw = b"Subject: big\r\n\r\n" + b".0123456789\r\n" * 300_000
    with client(sim) as smtp_client:
        smtp_client.sendmail("a@shop.test", ["b@shop.test"], raw)
    assert sim.messages()[0].raw == raw


def test_each_recipient_is_answered_on_its_own(sim):
    recipients = ["bounce@simulator.test", "refuse+1@simulator.test", "ok@simulator.test"]
    with client(sim) as smtp_client:
        refused = smtp_client.sendmail("a@shop.test", recipients, MAIL)
    assert refused == {
        "bounce@simulator.test": (550, b"5.1.1 ordered from the simulator"),
        "refuse+1@simulator.test": (451, b"4.3.0 ordered from the simulator"),
    }
    assert sim.messages()[0].recipients == ("ok@simulator.test",)


def test_a_null_sender_is_kept_as_nothing(sim):
    with client(sim) as smtp_client:
        smtp_client.sendmail("", ["b@shop.test"], MAIL)
    assert sim.messages()[0].sender == ""


@pytest.mark.parametrize("address", [b'"a b"@shop.test', b"a.b+c@shop.test", b"a@[127.0.0.1]"])
def test_unusual_addresses_are_kept_as_they_are(sim, address):
    with Talk(sim.smtp_port) as talk:
        opened(talk, address)
        talk.ask(b".")
    assert sim.messages()[0].recipients == (address.decode(),)


@pytest.mark.parametrize("address", [b"a..b@shop.test", b"a@", b"a b@shop.test", b"<a@b", b""])
def test_malformed_addresses_are_refused(sim, address):
    with Talk(sim.smtp_port) as talk:
        talk.reply()
        talk.ask(b"EHLO shop.test")
        talk.ask(b"MAIL FROM:<a@shop.test>")
        assert talk.ask(b"RCPT TO:<" + address + b">").startswith(b"5")


def test_a_non_ascii_address_needs_smtputf8(sim):
    with Talk(sim.smtp_port) as talk:
        talk.reply()
        talk.ask(b"EHLO shop.test")
        talk.ask(b"MAIL FROM:<a@shop.test>")
        assert talk.ask("RCPT TO:<é@shop.test>".encode()).startswith(b"553 5.6.7 ")
        assert talk.ask(b"RCPT TO:<\xe9@shop.test>").startswith(b"553 5.1.3 ")
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message.set_content("Schöne Grüße")
    with client(sim) as smtp_client:
        smtp_client.send_message(message, "ä@shop.test", ["é@shop.test"])
    (mail,) = sim.messages()
    assert (mail.sender, mail.recipients) == ("ä@shop.test", ("é@shop.test",))
    assert (mail.subject, mail.content.text) == ("Grüße", "Schöne Grüße\r\n")


def test_starttls_and_tls_with_a_certificate_that_can_be_verified():
    certificate = make_certificate(at=datetime.now(UTC))
    trusting = ssl.create_default_context(cadata=certificate.certificate.decode())
    with Simulator(Config(certificate=certificate)) as sim:
        with client(sim) as smtp_client:
            smtp_client.starttls(context=trusting)
            smtp_client.login("shop", "secret")
            smtp_client.sendmail("a@shop.test", ["b@shop.test"], MAIL)
        with smtplib.SMTP_SSL("localhost", sim.smtps_port, context=trusting) as smtp_client:
            smtp_client.ehlo()
            assert "starttls" not in smtp_client.esmtp_features
            smtp_client.sendmail("a@shop.test", ["c@shop.test"], MAIL)
        assert [mail.recipients for mail in sim.messages()] == [
            ("c@shop.test",),
            ("b@shop.test",),
        ]


def test_a_certificate_that_has_run_out_is_refused_by_clients():
    certificate = make_certificate(at=datetime.now(UTC), days=-1)
    trusting = ssl.create_default_context(cadata=certificate.certificate.decode())
    with Simulator(Config(certificate=certificate)) as sim:
        with client(sim) as smtp_client, pytest.raises(ssl.SSLCertVerificationError) as refused:
            smtp_client.starttls(context=trusting)
        assert "expired" in refused.value.verify_message
        with pytest.raises(ssl.SSLCertVerificationError):
            smtplib.SMTP_SSL("localhost", sim.smtps_port, context=trusting)


LINES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=80),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(lines=LINES)
def test_whatever_lines_a_mail_has_they_arrive_unchanged(lines):
    raw = b"".join(line.encode() + b"\r\n" for line in lines)
    with Simulator() as sim:
        with client(sim) as smtp_client:
            smtp_client.sendmail("a@shop.test", ["b@shop.test"], raw)
        (mail,) = sim.messages()
        assert mail.raw == raw
        assert isinstance(mail.content.text, str)
        assert isinstance(mail.subject, str)
