"""The SMTP driver: encryption that is demanded, certificates, logins."""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from delivery.driver import Failed, Fault, Sent
from delivery.drivers.smtp import Smtp
from hiram.lib import http
from tests.drivers.certificate import certificate
from tests.drivers.conformance import SECONDS, SHORT, SLACK
from tests.drivers.peer import Peer, Wire
from tests.drivers.smtp_account import MESSAGE, account
from tests.drivers.smtp_peer import END, FEATURES, SmtpPeer

T = Fault.TRANSIENT
LOGIN: dict[str, Any] = {"username": "user-canary", "password": "password-canary-ü"}
PAIR = (LOGIN["username"], LOGIN["password"])


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's certificate for 127.0.0.1 that this process trusts."""
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    http.tls.cache_clear()
    yield context
    http.tls.cache_clear()


@pytest.mark.parametrize(("security", "implicit"), [("starttls", False), ("tls", True)])
def test_encrypted(smtp: Smtp, shown: ssl.SSLContext, security: str, implicit: bool) -> None:
    with SmtpPeer(tls=shown, implicit=implicit, login=PAIR) as peer:
        opened = account(peer.port, security=security, **LOGIN)
        for _ in range(3):
            assert isinstance(smtp.send(opened, MESSAGE, timeout=SECONDS), Sent)
        assert len(peer.received) == 3
        assert peer.connections == 1
        verbs = [line.split()[0] for line in peer.lines]
    opening = ["EHLO", "AUTH"] if implicit else ["EHLO", "STARTTLS", "EHLO", "AUTH"]
    assert verbs[: len(opening) + 3] == [*opening, "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize(("security", "implicit"), [("starttls", False), ("tls", True)])
@pytest.mark.parametrize("wrong", ["not trusted", "another host", "run out"])
def test_a_bad_certificate_is_refused(
    smtp: Smtp, tmp_path: Path, shown: ssl.SSLContext, security: str, implicit: bool, wrong: str
) -> None:
    if wrong == "not trusted":
        other = tmp_path / "other"
        other.mkdir()
        context = certificate(other)
    else:
        expired = wrong == "run out"
        address = "127.0.0.1" if expired else "127.0.0.9"
        context = certificate(tmp_path, address, days=-1 if expired else 1)
        http.tls.cache_clear()
    with SmtpPeer(tls=context, implicit=implicit, login=PAIR) as peer:
        answer = smtp.send(
            account(peer.port, security=security, **LOGIN), MESSAGE, timeout=SECONDS
        )
    assert isinstance(answer, Failed), answer
    assert answer.fault is T
    assert answer.detail.startswith("TLS: the certificate is not accepted: ")
    assert {line.split()[0] for line in peer.lines} <= {"EHLO", "STARTTLS"}


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (b"502 5.5.1 what?\r\n", T),
        (b"454 4.7.0 later\r\n", T),
        (b"220 2.0.0 go ahead\r\n250 never mind\r\n", T),
        (END, T),
    ],
    ids=["stripped", "unavailable", "plain text after", "cut"],
)
def test_starttls_never_falls_back(smtp: Smtp, reply: bytes, fault: Fault) -> None:
    offered = () if reply.startswith(b"502") else ("STARTTLS",)
    with SmtpPeer({"STARTTLS": reply}, features=(*FEATURES, *offered), login=PAIR) as peer:
        opened = account(peer.port, security="starttls", **LOGIN)
        answer = smtp.send(opened, MESSAGE, timeout=SHORT)
    assert isinstance(answer, Failed), answer
    assert answer.fault is fault
    said = {line.split(" ")[0] for line in peer.lines}
    assert said.isdisjoint({"AUTH", "MAIL", "RCPT", "DATA"})
    assert ("STARTTLS" in said) == bool(offered)


def test_what_was_said_before_tls_is_forgotten(smtp: Smtp, shown: ssl.SSLContext) -> None:
    """An attacker's reply behind the go-ahead must not be read as the server's (RFC 3207 6)."""
    injected = b"220 go\r\n250-evil\r\n250 SIZE 1\r\n"
    with SmtpPeer({"STARTTLS": injected}, features=(*FEATURES, "STARTTLS"), tls=shown) as peer:
        answer = smtp.send(account(peer.port, security="starttls"), MESSAGE, timeout=SECONDS)
        assert isinstance(answer, Sent), answer
        assert len(peer.received) == 1


def test_tls_where_none_is_spoken(smtp: Smtp) -> None:
    with SmtpPeer() as peer:
        answer = smtp.send(account(peer.port, security="tls"), MESSAGE, timeout=SECONDS)
    assert isinstance(answer, Failed)
    assert answer.fault is T
    assert answer.detail.startswith("TLS: it failed: ")


def test_none_where_tls_is_spoken(smtp: Smtp, shown: ssl.SSLContext) -> None:
    with SmtpPeer(tls=shown, implicit=True) as peer:
        answer = smtp.send(account(peer.port), MESSAGE, timeout=SHORT)
    assert isinstance(answer, Failed)
    assert answer.fault is T


def test_a_handshake_that_drips_ends_in_time(smtp: Smtp) -> None:
    def handshake(wire: Wire) -> None:
        wire.drip(b"\x16\x03\x03\x40\x00\x02" + bytes(16_000))

    with Peer(handshake) as peer:
        started = time.monotonic()
        answer = smtp.send(account(peer.port, security="tls"), MESSAGE, timeout=SHORT)
        assert time.monotonic() - started < SHORT + SLACK
    assert isinstance(answer, Failed)
    assert answer.detail == "TLS: no answer in time"


# --- logins -------------------------------------------------------------------------------------


def test_login_where_plain_is_not_offered(smtp: Smtp) -> None:
    with SmtpPeer(features=(*FEATURES, "AUTH CRAM-MD5 LOGIN"), login=PAIR, mechanisms=()) as peer:
        assert isinstance(smtp.send(account(peer.port, **LOGIN), MESSAGE, timeout=SECONDS), Sent)
        assert "AUTH LOGIN" in peer.lines


@pytest.mark.parametrize("mechanisms", ["PLAIN", "LOGIN"])
def test_a_wrong_password_is_not_repeated(smtp: Smtp, mechanisms: str) -> None:
    wrong = {**LOGIN, "password": "wrong-canary"}
    with SmtpPeer(login=PAIR, mechanisms=(mechanisms,)) as peer:
        answer = smtp.send(account(peer.port, **wrong), MESSAGE, timeout=SECONDS)
        assert isinstance(answer, Failed)
        assert answer.fault is Fault.BAD_ACCOUNT
        assert answer.code == "535"
        assert "***" in answer.detail  # the peer repeats what it was given
        encoded = b64encode(b"wrong-canary").decode()
        assert "wrong-canary" not in repr(answer)
        assert encoded not in repr(answer)
        assert not any(line.startswith("MAIL") for line in peer.lines)


@pytest.mark.parametrize("mechanisms", [(), ("CRAM-MD5", "XOAUTH2")])
def test_a_server_without_a_login_that_fits(smtp: Smtp, mechanisms: tuple[str, ...]) -> None:
    with SmtpPeer(login=PAIR, mechanisms=mechanisms) as peer:
        answer = smtp.send(account(peer.port, **LOGIN), MESSAGE, timeout=SECONDS)
    assert isinstance(answer, Failed)
    assert answer.fault is Fault.BAD_ACCOUNT
    assert peer.received == []


def test_a_server_from_before_esmtp(smtp: Smtp) -> None:
    with SmtpPeer({"EHLO": b"502 5.5.1 what?\r\n"}) as peer:
        assert isinstance(smtp.send(account(peer.port), MESSAGE, timeout=SECONDS), Sent)
        assert [line.split()[0] for line in peer.lines[:3]] == ["EHLO", "HELO", "MAIL"]
