"""The SMTP driver: connections that are used again, and those that must not be."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from delivery.driver import Failed, Fault, Sent
from delivery.drivers.smtp import Smtp
from delivery.smtp_driver import pool
from tests.drivers.conformance import SECONDS, SHORT
from tests.drivers.peer import wait_for
from tests.drivers.smtp_account import MESSAGE, account
from tests.drivers.smtp_peer import CUT, END, HOLD, HUSH, SmtpPeer

OK = b"250 2.0.0 Ok\r\n"


def many(smtp: Smtp, peer: SmtpPeer, times: int, *, revision: str = "1") -> None:
    for number in range(times):
        message = replace(MESSAGE, key=f"ntf_{number}")
        answer = smtp.send(account(peer.port, revision=revision), message, timeout=SECONDS)
        assert isinstance(answer, Sent), answer


@pytest.mark.parametrize(
    "replies",
    [
        {"DOT": [OK + END]},
        {"DOT": [OK + b"421 4.3.2 bye\r\n" + END]},
        {"MAIL": [OK, b"421 4.3.2 enough\r\n" + END]},
        {"MAIL": [OK, b"421 4.3.2 enough\r\n"]},
        {"MAIL": [OK, CUT]},
        {"MAIL": [OK, END]},
        {"MAIL": [OK, b"2" + END]},
    ],
    ids=["closed", "421 unasked", "421 and end", "421", "reset", "end", "half"],
)
def test_a_connection_that_died_is_opened_anew(
    smtp: Smtp, replies: dict[str, bytes | list[bytes]]
) -> None:
    """Nothing was handed over on it, so nothing can arrive twice."""
    with SmtpPeer(replies) as peer:
        many(smtp, peer, 3)
        assert peer.connections == 2
        assert len(peer.received) == 3


def test_it_is_opened_anew_only_once(smtp: Smtp) -> None:
    with SmtpPeer({"MAIL": [OK, CUT, CUT]}) as peer:
        many(smtp, peer, 1)
        answer = smtp.send(account(peer.port), MESSAGE, timeout=SECONDS)
        assert isinstance(answer, Failed), answer
        assert answer.fault is Fault.TRANSIENT
        assert peer.connections == 2


@pytest.mark.parametrize(
    ("step", "reply"),
    [("RCPT", CUT), ("DATA", CUT), ("MAIL", HUSH), ("RCPT", b"421 4.3.2 no\r\n")],
)
def test_later_or_slower_deaths_are_answers(smtp: Smtp, step: str, reply: bytes) -> None:
    usual = {"MAIL": OK, "RCPT": OK, "DATA": b"354 go\r\n"}[step]
    with SmtpPeer({step: [usual, reply]}) as peer:
        many(smtp, peer, 1)
        answer = smtp.send(account(peer.port), MESSAGE, timeout=SHORT)
        assert isinstance(answer, Failed), answer
        assert peer.connections == 1


def test_a_death_after_the_dot_is_not_tried_again(smtp: Smtp) -> None:
    with SmtpPeer({"DOT": [OK, CUT]}) as peer:
        many(smtp, peer, 1)
        answer = smtp.send(account(peer.port), MESSAGE, timeout=SECONDS)
        assert answer.code == ""
        assert not isinstance(answer, Failed | Sent)
        assert peer.connections == 1


def test_a_refusal_does_not_cost_the_connection(smtp: Smtp) -> None:
    refusals = [b"550 5.1.1 no\r\n", b"250 2.1.5 Ok\r\n"]
    with SmtpPeer({"RCPT": refusals, "DOT": [b"554 5.6.0 no\r\n"]}) as peer:
        for code in ("550", "554"):
            answer = smtp.send(account(peer.port), MESSAGE, timeout=SECONDS)
            assert isinstance(answer, Failed)
            assert answer.code == code
        many(smtp, peer, 1)
        assert peer.connections == 1
        assert peer.lines.count("RSET") == 2


def test_a_refused_reset_costs_the_connection(smtp: Smtp) -> None:
    with SmtpPeer({"RCPT": [b"550 5.1.1 no\r\n"], "RSET": b"500 no\r\n"}) as peer:
        assert isinstance(smtp.send(account(peer.port), MESSAGE, timeout=SECONDS), Failed)
        many(smtp, peer, 1)
        assert peer.connections == 2


def test_a_server_that_says_too_much_is_out_of_step(smtp: Smtp) -> None:
    """Its answers are one behind: no message is handed over on their word."""
    with SmtpPeer({"DOT": [OK + OK]}) as peer:
        many(smtp, peer, 1)
        answer = smtp.send(account(peer.port), MESSAGE, timeout=SECONDS)
        assert isinstance(answer, Failed), answer
        assert answer.fault is Fault.TRANSIENT
        assert len(peer.received) == 1
        many(smtp, peer, 1)
        assert peer.connections == 2


def test_a_failed_login_is_not_kept(smtp: Smtp) -> None:
    login = ("user", "right")
    with SmtpPeer({"AUTH": [b"454 4.7.0 later\r\n"]}, login=login) as peer:
        opened = account(peer.port, username="user", password="right")
        assert isinstance(smtp.send(opened, MESSAGE, timeout=SECONDS), Failed)
        assert isinstance(smtp.send(opened, MESSAGE, timeout=SECONDS), Sent)
        assert peer.connections == 2


def test_another_revision_has_another_connection(smtp: Smtp) -> None:
    with SmtpPeer() as peer:
        many(smtp, peer, 2, revision="1")
        many(smtp, peer, 2, revision="2")
        assert peer.connections == 2


def test_a_connection_carries_so_many_messages(smtp: Smtp) -> None:
    with SmtpPeer() as peer:
        many(smtp, peer, pool.MAX_USES + 1)
        assert peer.connections == 2
        wait_for(lambda: peer.open == 1, "the old connection closed")
        assert peer.lines.count("QUIT") == 1


def test_idle_connections_are_closed(smtp: Smtp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.05)
    with SmtpPeer() as peer:
        many(smtp, peer, 1)
        wait_for(lambda: peer.open == 0, "the idle connection closed")
        assert peer.lines[-1] == "QUIT"


def test_too_many_idle_connections_are_not_kept(
    smtp: Smtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MAX_IDLE", 2)
    with SmtpPeer() as peer:
        for revision in "12345":
            many(smtp, peer, 1, revision=revision)
        wait_for(lambda: peer.open == 2, "all but two closed")
        many(smtp, peer, 1, revision="5")
        many(smtp, peer, 1, revision="4")
        assert peer.connections == 5


def test_an_old_limit_does_not_reach_a_later_call(smtp: Smtp) -> None:
    """The connection outlives the time of the calls that used it before."""
    with SmtpPeer() as peer:
        until = time.monotonic() + 3 * SHORT
        while time.monotonic() < until:
            assert isinstance(smtp.send(account(peer.port), MESSAGE, timeout=SHORT), Sent)
        assert peer.connections == math.ceil(len(peer.received) / pool.MAX_USES)


def test_a_connection_in_use_at_close_is_not_kept(smtp: Smtp) -> None:
    with SmtpPeer({"DOT": [HOLD]}) as peer, ThreadPoolExecutor(1) as threads:
        sent = threads.submit(smtp.send, account(peer.port), MESSAGE, timeout=SECONDS)
        wait_for(lambda: "DATA" in peer.lines, "the message handed over")
        smtp.close()
        peer.release.set()
        assert isinstance(sent.result(SECONDS), Sent)
        wait_for(lambda: peer.open == 0, "its connection closed")


def test_a_child_process_leaves_the_connections_to_its_parent() -> None:
    with SmtpPeer() as peer:
        done = subprocess.run(
            [sys.executable, "-m", "tests.drivers.forking", str(peer.port)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["parent", "child", "parent"]
        assert peer.connections == 2
        assert len(peer.received) == 3
