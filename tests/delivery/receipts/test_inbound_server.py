"""The SMTP server for return paths: whom it answers what, and for how long it listens to whom."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import pytest

from delivery.inbound import server as serving
from delivery.inbound.server import MAIL_OCTETS, InboundServer
from delivery.inbound.take import Taken
from delivery.return_path import return_path
from hiram.lib import ids
from tests.delivery.receipts.mails import bounce

SECONDS = 20
ATTEMPT = ids.new()
ADDRESS = return_path(ids.show("att", ATTEMPT), "bounces.sender.example")
PEER = "mx.recipient.example"

Mail = tuple[UUID, bool, bytes]


class Running:
    """A server in a thread of its own, and the mails that it was to keep."""

    def __init__(self, take: Callable[[Mail], Taken | None] | None, seconds: float) -> None:
        self.mails: list[Mail] = []
        self._answer = take or (lambda mail: Taken.KEPT)
        self._seconds = seconds
        self._ready: Future[int] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        self.port = self._ready.result(SECONDS)

    def _take(self, attempt_id: UUID, from_nobody: bool, mail: bytes) -> Taken | None:
        self.mails.append((attempt_id, from_nobody, mail))
        return self._answer(self.mails[-1])

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.server = InboundServer("mx.test", take=self._take, session_seconds=self._seconds)
        self._ready.set_result(await self.server.open("127.0.0.1", 0))
        await self._stop.wait()
        await self.server.close()

    def stop(self) -> None:
        with suppress(RuntimeError):  # it has stopped
            self._loop.call_soon_threadsafe(self._stop.set)

    def ended(self) -> bool:
        self._thread.join(SECONDS)
        return not self._thread.is_alive()

    def ended_sessions(self) -> bool:
        deadline = time.monotonic() + SECONDS
        while self.server.dialogues and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        return not self.server.dialogues

    def client(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, PEER, timeout=SECONDS)

    def line(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)


@contextmanager
def running(
    take: Callable[[Mail], Taken | None] | None = None, *, seconds: float = SECONDS
) -> Iterator[Running]:
    made = Running(take, seconds)
    try:
        yield made
    finally:
        made.stop()
        assert made.ended()


@pytest.fixture
def inbound() -> Iterator[Running]:
    with running() as made:
        yield made


def code(answer: tuple[int, bytes]) -> str:
    """With the enhanced one."""
    return f"{answer[0]} {answer[1].split()[0].decode()}"


class TestTaken:
    def test_a_report(self, inbound):
        with inbound.client() as client:
            assert client.sendmail("", [ADDRESS], bounce()) == {}
        assert inbound.mails == [(ATTEMPT, True, bounce())]

    def test_many_in_one_session_each_on_its_own(self, inbound):
        with inbound.client() as client:
            for sender in ("", "someone@else.example", ""):
                client.sendmail(sender, [ADDRESS], bounce())
        assert [from_nobody for _, from_nobody, _ in inbound.mails] == [True, False, True]

    def test_all_at_once(self, inbound):
        lines = [f"EHLO {PEER}", "MAIL FROM:<> SIZE=9 BODY=8BITMIME SMTPUTF8",
                 f"RCPT TO:<{ADDRESS.upper()}>", "DATA", "..x", ".", "RSET", "NOOP", "QUIT", ""]  # fmt: skip
        with inbound.line() as line, line.makefile("rb") as file:
            line.sendall("\r\n".join(lines).encode())
            said = [text for text in file if text[3:4] != b"-"]
        assert [text[:3] for text in said] == [
            b"220", b"250", b"250", b"250", b"354", b"250", b"250", b"250", b"221"
        ]  # fmt: skip
        assert inbound.mails == [(ATTEMPT, True, b".x\r\n")]

    @pytest.mark.parametrize("mail", [b"", b"\0\r\n", b"\xff\r\nx\0\r\n", b"a\nb\rc\n.\r\n",
                                      b"\n.\n", b"\r.\r", b"x" * 200_000, b".\n", b"\r\r\n"])  # fmt: skip
    def test_bytes_that_no_mail_has(self, inbound, mail):
        mail += b"\r\n"
        with inbound.client() as client:
            client.ehlo()
            client.docmd("MAIL", "FROM:<>")
            client.docmd("RCPT", f"TO:<{ADDRESS}>")
            assert client.docmd("DATA")[0] == 354
            client.send((b"\r\n" + mail).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")
            assert client.getreply()[0] == 250
            assert client.noop()[0] == 250, "nothing of it was taken for a command"
        assert inbound.mails == [(ATTEMPT, True, mail)]


class TestRefused:
    @pytest.mark.parametrize(
        "address",
        ["postmaster@bounces.sender.example", "ada@recipient.example", f"c{ADDRESS[1:]}",
         ADDRESS[:10] + ("a" if ADDRESS[10] != "a" else "b") + ADDRESS[11:], f"b+@{PEER}",
         f"{ADDRESS.partition('@')[0]}%x@y.example", f"@relay.example:{ADDRESS}",
         "b+" + "a" * 400 + "@x.example", "jos\u00e9@bounces.sender.example"],
        ids=range(9),
    )  # fmt: skip
    def test_whoever_is_not_ours(self, inbound, address):
        with inbound.client() as client:
            client.ehlo()
            client.docmd("MAIL", "FROM:<>")
            client.command_encoding = "utf-8"
            assert code(client.docmd("RCPT", f"TO:<{address}>")) == "550 5.1.1"
            assert client.docmd("DATA")[0] == 503
        assert inbound.mails == []

    @pytest.mark.parametrize(
        "path",
        ["", "<", "<>", ADDRESS, f"<{ADDRESS}", f"<{ADDRESS}> X=Y", "<a b>", "<\0>",
         f"<{ADDRESS}><{ADDRESS}>", "<\x80\xff>"],
        ids=range(10),
    )  # fmt: skip
    def test_what_is_no_path(self, inbound, path):
        with inbound.client() as client:
            client.ehlo()
            client.docmd("MAIL", "FROM:<>")
            client.command_encoding = "latin-1"
            assert client.docmd("RCPT", f"TO:{path}")[0] >= 500
            assert client.docmd("DATA")[0] == 503
        assert inbound.mails == []

    def test_a_second_recipient_comes_again(self, inbound):
        with inbound.client() as client:
            client.ehlo()
            client.docmd("MAIL", "FROM:<>")
            assert client.docmd("RCPT", f"TO:<{ADDRESS}>")[0] == 250
            assert code(client.docmd("RCPT", f"TO:<{ADDRESS}>")) == "452 4.5.3"

    @pytest.mark.parametrize("line", ["DATA", "RCPT TO:<x@y>", "MAIL", "MAIL FROM:<>", "AUTH PLAIN",
                                      "STARTTLS", "EXPN x", "X" * 9_000, "\xff\0", ""])  # fmt: skip
    def test_out_of_turn(self, inbound, line):
        with inbound.line() as talk, talk.makefile("rb") as file:
            assert file.readline().startswith(b"220 mx.test ")
            talk.sendall(f"{line}\r\n".encode("latin-1"))
            assert file.readline()[:3] in (b"454", b"500", b"501", b"502", b"503", b"538")
        assert inbound.mails == []

    def test_a_size_that_is_declared(self, inbound):
        with inbound.client() as client:
            client.ehlo()
            assert client.esmtp_features["size"] == str(MAIL_OCTETS)
            assert client.docmd("MAIL", f"FROM:<> SIZE={MAIL_OCTETS + 1}")[0] == 552

    @pytest.mark.parametrize(
        "body", [b"x" * 998 + b"\r\n", b"x" * 65_536, b".\r", b"\r\n"], ids=range(4)
    )
    def test_20_mb(self, inbound, body):
        with inbound.client() as client:
            client.ehlo()
            client.docmd("MAIL", "FROM:<>")
            client.docmd("RCPT", f"TO:<{ADDRESS}>")
            client.docmd("DATA")
            piece = body * (2**20 // len(body) + 1)
            for _ in range(20):
                client.send(piece)
            client.send(b"\r\n.\r\n")
            assert code(client.getreply()) == "552 5.3.4"
            client.sendmail("", [ADDRESS], bounce())
        assert len(inbound.mails) == 1

    @pytest.mark.parametrize("line", [b"x" * 1_022, b"..", b"", b"." * 30], ids=range(4))
    def test_up_to_the_limit(self, inbound, line):
        whole = (line + b"\r\n") * (MAIL_OCTETS // (len(line) + 2))
        assert len(whole) == MAIL_OCTETS
        with inbound.client() as client:
            for mail, reply in ((whole, 250), (b"x" + whole, 552)):
                client.ehlo()
                client.docmd("MAIL", "FROM:<>")
                client.docmd("RCPT", f"TO:<{ADDRESS}>")
                assert client.data(mail)[0] == reply
        assert [mail for _, _, mail in inbound.mails] == [whole]


class TestAway:
    def test_without_a_database_it_is_to_come_again(self):
        answers: list[Taken | None] = [None, Taken.KEPT]
        with running(lambda mail: answers.pop(0)) as inbound, inbound.client() as client:
            with pytest.raises(smtplib.SMTPDataError) as caught:
                client.sendmail("", [ADDRESS], bounce())
            assert (caught.value.smtp_code, caught.value.smtp_error[:5]) == (451, b"4.3.0")
            client.sendmail("", [ADDRESS], bounce())

    def test_a_defect_says_nothing_of_itself(self, caplog):
        def broken(mail: Mail) -> Taken:
            raise KeyError("ada@recipient.example")

        with running(broken) as inbound, inbound.client() as client:
            with pytest.raises(smtplib.SMTPDataError) as caught:
                client.sendmail("", [ADDRESS], bounce())
            assert caught.value.smtp_code == 451
            assert client.noop()[0] == 250
        assert "ada@" not in f"{caught.value.smtp_error!r}{caplog.text}"
        assert "KeyError" in caplog.text

    def test_nobodys_address_is_logged(self, inbound, caplog):
        caplog.set_level("DEBUG")
        with inbound.client() as client:
            client.sendmail("eve@else.example", [ADDRESS], bounce())
        for text in ("eve@", "ada@", ADDRESS, ADDRESS[2:20]):
            assert text not in caplog.text
        assert f"{ids.show('att', ATTEMPT)}: kept" in caplog.text


class TestTime:
    @pytest.mark.parametrize(
        "pieces",
        [[], [b"E", b"H"], [b"NOOP\r\n"], [b"EHLO x\r\n", b"MAIL FROM:<>\r\n"],
         [b"EHLO x\r\n", b"MAIL FROM:<>\r\n", f"RCPT TO:<{ADDRESS}>\r\n".encode(), b"DATA\r\n",
          b"x"]],
        ids=["silent", "half a line", "polite", "half a dialogue", "half a mail"],
    )  # fmt: skip
    def test_a_session_ends_however_it_drips(self, pieces):
        with running(seconds=1) as inbound, inbound.line() as line:
            started = time.monotonic()
            line.settimeout(0.05)
            left = list(pieces)
            while True:
                assert time.monotonic() - started < 5
                try:
                    if left:
                        line.sendall(left.pop(0) if len(left) > 1 else left[0])
                    if not line.recv(4_096):
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            assert 0.9 < time.monotonic() - started < 3
            assert inbound.mails == []

    def test_who_reads_no_answer_is_cut_too(self):
        with running(seconds=1) as inbound, inbound.line() as line:
            line.settimeout(5)
            with suppress(ConnectionError):
                while True:
                    line.sendall(b"NOOP\r\n" * 10_000)
            assert inbound.ended_sessions()

    def test_too_many_are_sent_away(self, inbound, monkeypatch):
        monkeypatch.setattr(serving, "SESSIONS", 2)
        with inbound.client() as one, inbound.client():
            with inbound.line() as third, third.makefile("rb") as file:
                assert file.read().startswith(b"421 4.3.2")
            one.quit()
            with pytest.raises(smtplib.SMTPServerDisconnected):
                one.noop()
            assert _welcome(inbound)


def _welcome(inbound: Running) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with inbound.line() as line, line.makefile("rb") as file:
            if file.readline().startswith(b"220"):
                return True
    return False


class TestStopping:
    def test_what_has_arrived_is_kept_and_answered(self):
        here, go_on = threading.Event(), threading.Event()

        def slow(mail: Mail) -> Taken:
            here.set()
            assert go_on.wait(SECONDS)
            return Taken.KEPT

        with running(slow) as inbound, inbound.client() as idle, inbound.client() as client:
            said: Future[Any] = Future()
            threading.Thread(
                target=lambda: said.set_result(client.sendmail("", [ADDRESS], bounce()))
            ).start()
            assert here.wait(SECONDS)
            inbound.stop()
            assert idle.getreply()[0] == 421, "who has brought nothing is sent away at once"
            with pytest.raises(ConnectionError):
                inbound.line()
            go_on.set()
            assert said.result(SECONDS) == {}
            assert inbound.ended()
            client.close()
            idle.close()

    def test_half_a_mail_is_not(self, inbound):
        with inbound.line() as line, line.makefile("rb") as file:
            line.sendall(f"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{ADDRESS}>\r\nDATA\r\nx".encode())
            while not file.readline().startswith(b"354"):
                pass
            inbound.stop()
            assert file.readline().startswith(b"421")
            assert inbound.ended()
        assert inbound.mails == []
