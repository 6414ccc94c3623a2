"""The SMTP driver against servers that cut, refuse, stall and lie."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email import message_from_bytes

import pytest

from delivery.driver import Account, Driver, Failed, Fault, Message, Sent, Unknown
from delivery.drivers.smtp import Smtp
from hiram.lib import http
from tests.drivers.conformance import SECONDS, SHORT, SLACK, Case, Conformance, Server, mailbox
from tests.drivers.smtp_account import MESSAGE, account
from tests.drivers.smtp_peer import CUT, DRIP, END, HUSH, STALL, USUAL, SmtpPeer

USER, PASSWORD = "user-canary", "password-canary-ü"
ENCODED = b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
ECHO = f"535 5.7.8 AUTH PLAIN {ENCODED} is {PASSWORD} not known\r\n".encode()

T, A = Fault.TRANSIENT, Fault.BAD_ADDRESS


class TestSmtp(Conformance):
    """With a login over an open line, which `policy().plain` allows."""

    cases = (
        *(
            Case(f"{how} at {step}", {step: cut}, T)
            for step in ("BANNER", "EHLO", "AUTH", "MAIL", "RCPT", "DATA")
            for how, cut in (("reset", CUT), ("end", END))
        ),
        # So small a body has left with its dot before the peer cuts.
        Case("reset at BODY", {"BODY": CUT}, None),
        Case("reset at DOT", {"DOT": CUT}, None),
        Case("end at DOT", {"DOT": END}, None),
        Case("half a reply at DOT", {"DOT": b"250 2.0.0 O" + END}, None),
        Case("no reply at DOT", {"DOT": b"what now?\r\n"}, None),
        Case("strange reply at DOT", {"DOT": b"354 go\r\n"}, None),
        Case("unheard of reply at DOT", {"DOT": b"999 hm\r\n"}, None),
        Case("busy", {"BANNER": b"421 4.3.2 too many connections\r\n"}, Fault.THROTTLED, "421"),
        Case("turned away", {"BANNER": b"554 no\r\n"}, T, "554"),
        Case("takes no mail", {"BANNER": b"521 never\r\n"}, Fault.BAD_ACCOUNT, "521"),
        Case("garbage at EHLO", {"EHLO": b"hello\r\n"}, T),
        Case("wrong password", {"AUTH": ECHO}, Fault.BAD_ACCOUNT, "535"),
        Case("login later", {"AUTH": b"454 4.7.0 later\r\n"}, T, "454", 300.0),
        Case("sender", {"MAIL": b"553 5.7.1 not yours\r\n"}, Fault.BAD_ACCOUNT, "553"),
        Case("recipient", {"RCPT": b"550 5.1.1 unknown\r\n"}, A, "550"),
        Case("recipient, bare", {"RCPT": b"550 unknown\r\n"}, A, "550"),
        Case("relay", {"RCPT": b"550 relay not permitted\r\n"}, Fault.BAD_ACCOUNT, "550"),
        Case("greylist", {"RCPT": b"451 4.7.1 greylisted\r\n"}, T, "451", 300.0),
        Case("full", {"RCPT": b"452 4.2.2 over quota\r\n"}, T, "452"),
        Case("no data", {"DATA": b"554 5.7.1 no\r\n"}, Fault.BAD_CONTENT, "554"),
        Case("data out of step", {"DATA": b"250 2.0.0 Ok\r\n"}, T, "250"),
        Case("spam", {"DOT": b"550 5.7.1 spam\r\n"}, Fault.BAD_CONTENT, "550"),
        Case("storage", {"DOT": b"452 4.3.1 storage\r\n"}, T, "452"),
        Case("rate", {"DOT": b"454 Throttling failure\r\n"}, Fault.THROTTLED, "454"),
        Case(
            "many lines",
            {"RCPT": b"550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n"},
            A,
            "550",
        ),
        Case(
            "echo",
            {"DOT": b"550 \x1b[31m" + PASSWORD.encode() + b"\r\n"},
            Fault.BAD_CONTENT,
            "550",
        ),
    )
    wrong = (
        ({"host": "169.254.169.254"}, "host"),
        ({"host": "2130706433"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"from_email": "shop"}, "from_email"),
        ({"from_email": "shop@acme.example\r\nX: y"}, "from_email"),
        ({"allowed_from": ("@acme.example", "acme.example")}, "allowed_from"),
        ({"allowed_from": ("@",)}, "allowed_from"),
        ({"from_name": "Shop\r\nBcc: eve@example.com"}, "from_name"),
        ({"return_domain": "bounces@acme.example"}, "return_domain"),
        ({"return_domain": "acme.example>\r\nRCPT TO:<eve@example.com"}, "return_domain"),
        ({"password": ""}, "password"),
    )

    @pytest.fixture
    def server(self) -> Iterator[SmtpPeer]:
        with SmtpPeer(login=(USER, PASSWORD)) as peer:
            yield peer

    def make(self) -> Driver:
        return Smtp()

    def account_for(self, port: int) -> Account:
        return account(port, username=USER, password=PASSWORD, from_name="Shop")

    def canaries(self, account: Account) -> tuple[str, ...]:
        return (PASSWORD, ENCODED, b64encode(PASSWORD.encode()).decode())

    def message_with(self, key: str = "ntf_01") -> Message:
        return replace(MESSAGE, key=key)

    def order(self, server: SmtpPeer, order: Mapping[str, bytes]) -> None:
        server.replies = order

    def taken(self, server: SmtpPeer) -> list[str]:
        return [
            mail.data.split(b"Message-ID: <")[1].split(b"@")[0].decode()
            for mail in server.received
        ]

    def handed_over(self, server: SmtpPeer) -> list[bytes]:
        return [mail.data for mail in server.received]

    def senders(self, server: SmtpPeer) -> list[tuple[str, str]]:
        return [
            mailbox(message_from_bytes(mail.data)["From"].replace("\r\n", ""))
            for mail in server.received
        ]

    def test_answer_to_a_good_day(self, made: Driver, server: Server) -> None:
        answer = self.sent_by(made, server)
        assert isinstance(answer, Sent)
        assert replace(answer, payload_sha256="") == Sent(
            "4Zx1", "250", "2.0.0", "Ok: queued as 4Zx1"
        )

    def test_unencrypted_needs_the_operator(self, made: Driver, server: Server) -> None:
        http.use(replace(http.policy(), plain=False))
        answer = self.sent_by(made, server)
        assert isinstance(answer, Failed)
        assert answer.fault is Fault.BAD_ACCOUNT
        assert server.connections == 0
        opened = self.account_for(server.port)
        assert [name for name, _ in made.check(opened.settings, opened.credentials)] == [
            "security"
        ]

    def test_error_text_is_one_line_without_escapes(self, made: Driver, server: SmtpPeer) -> None:
        server.replies = {"DOT": b"550-5.7.1 a\x1b[31m\r\n550 5.7.1 b\t\xff\x00c\r\n"}
        answer = self.sent_by(made, server)
        assert isinstance(answer, Failed)
        assert answer.detail == r"end of message: a\x1b[31m b\t\xff\x00c"
        assert answer.enhanced_code == "5.7.1"


# --- time ---------------------------------------------------------------------------------------


def check_total_time(smtp: Smtp, peer: SmtpPeer, step: str) -> None:
    started = time.monotonic()
    answer = smtp.send(account(peer.port), MESSAGE, timeout=SHORT)
    took = time.monotonic() - started
    assert SHORT - 0.05 < took < SHORT + SLACK
    if step in ("BODY", "DOT"):  # the body is small: it has left before the peer stalls
        assert isinstance(answer, Unknown), answer
    else:
        assert isinstance(answer, Failed), answer
        assert answer.fault is T
    assert answer.detail.endswith("no answer in time")


@pytest.mark.parametrize("step", ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "DOT"])
@pytest.mark.parametrize("how", [HUSH, DRIP], ids=["silence", "dripping"])
def test_the_total_time_holds_at_every_step(smtp: Smtp, step: str, how: bytes) -> None:
    with SmtpPeer({step: how}) as peer:
        check_total_time(smtp, peer, step)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "BODY", "DOT"])
def test_it_holds_on_a_reused_connection_too(smtp: Smtp, step: str) -> None:
    with SmtpPeer({step: [USUAL, DRIP]}) as peer:
        assert isinstance(smtp.send(account(peer.port), MESSAGE, timeout=SECONDS), Sent)
        check_total_time(smtp, peer, step)
        assert peer.connections == 1


@pytest.mark.parametrize("endless", [b"550-5.1.1 no\r\n" * 10_000, b"550 " + b"x" * 100_000])
def test_an_endless_reply_is_not_read_to_its_end(smtp: Smtp, endless: bytes) -> None:
    with SmtpPeer({"RCPT": endless}) as peer:
        started = time.monotonic()
        answer = smtp.send(account(peer.port), MESSAGE, timeout=SECONDS)
        assert time.monotonic() - started < SECONDS / 2
    assert isinstance(answer, Failed)
    assert answer.fault is T
    assert answer.detail.startswith("RCPT TO: the ")


@pytest.mark.parametrize("how", [CUT, END, STALL], ids=["reset", "end", "stall"])
def test_a_cut_inside_a_large_body_was_not_taken(smtp: Smtp, how: bytes) -> None:
    """The dot is the last of what is sent: while the rest is here it has not left."""
    large = replace(MESSAGE, html="", text="0123456789\n" * 2_000_000)
    with SmtpPeer({"BODY": how}, features=("PIPELINING",)) as peer:
        answer = smtp.send(account(peer.port), large, timeout=3)
    assert isinstance(answer, Failed), answer
    assert answer.fault is T
    assert answer.detail.startswith("message: ")


def test_a_server_that_never_reads_commands(smtp: Smtp) -> None:
    with SmtpPeer({"MAIL": STALL}) as peer:
        answer = smtp.send(account(peer.port), MESSAGE, timeout=SHORT)
    assert isinstance(answer, Failed)
    assert answer.detail == "MAIL FROM: no answer in time"
