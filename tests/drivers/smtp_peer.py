"""An SMTP server that refuses, cuts, stalls and lies where it is told to."""

from __future__ import annotations

import ssl
import threading
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.drivers.peer import SECONDS, Gone, Peer, Wire

CUT = b"\0cut"
END = b"\0end"
HUSH = b"\0hush"
DRIP = b"\0drip"
STALL = b"\0stall"
HOLD = b"\0hold"
USUAL = b"\0usual"

FEATURES = ("PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@dataclass(frozen=True, slots=True)
class Mail:
    """What arrived: the arguments of MAIL and RCPT as said, and the bytes, dots unstuffed."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes


@dataclass
class Talk:
    """One session so far."""

    sender: str = ""
    recipients: list[str] = field(default_factory=list)


class SmtpPeer(Peer):
    """`replies` maps a step (BANNER, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BODY, DOT, RSET) or
    a whole line such as "RCPT TO:<a@b.c>" to what is said instead of the usual: a reply, or CUT
    (reset), END (close, after what is before it), HUSH (nothing), STALL (not even reading), DRIP (the reply byte by byte,
    without end), HOLD (the usual, after `release`), USUAL. A list is used up, one a time. BODY happens as soon as the first line of a message has arrived.
    """

    def __init__(
        self,
        replies: Mapping[str, bytes | list[bytes]] | None = None,
        *,
        features: tuple[str, ...] = FEATURES,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
    ) -> None:
        super().__init__()
        self.replies: Mapping[str, bytes | list[bytes]] = replies or {}
        self.features = features
        self.tls = tls
        self.implicit = implicit
        self.login = login
        self.mechanisms = mechanisms
        self.release = threading.Event()
        self.received: list[Mail] = []
        self.lines: list[str] = []
        """Every command line of every session, in the order of arrival."""

    def speak(self, wire: Wire) -> None:
        if self.implicit and self.tls:
            wire.encrypt(self.tls)
        self._answer(wire, "BANNER", b"220 peer.test ESMTP\r\n")
        talk = Talk()
        while True:
            said, space, rest = wire.line().decode(errors="backslashreplace").partition(" ")
            verb = said.upper()
            line = f"{verb}{space}{rest}"
            self.lines.append(line)
            if verb == "QUIT":
                wire.say(b"221 2.0.0 bye\r\n")
                return
            getattr(self, f"_{verb.lower()}", self._strange)(wire, talk, line)

    def _answer(self, wire: Wire, step: str, usual: bytes, line: str = "") -> bytes:
        """Say what `step` is told to say, else `usual`."""
        return self._say(wire, self._next(step, usual, line), usual)

    def _next(self, step: str, usual: bytes, line: str = "") -> bytes:
        told = self.replies.get(line, self.replies.get(step, usual))
        return (told.pop(0) if told else usual) if isinstance(told, list) else told

    def _say(self, wire: Wire, reply: bytes, usual: bytes) -> bytes:
        if reply == USUAL:
            reply = usual
        if reply == CUT:
            wire.cut()
        if reply.endswith(END):
            wire.say(reply.removesuffix(END))
            raise Gone
        if reply == HUSH:
            wire.hush()
        if reply == HOLD:
            assert self.release.wait(SECONDS)
            reply = usual
        if reply == STALL:
            wire.stopped.wait(SECONDS)
            raise Gone
        if reply == DRIP:
            wire.drip(usual[:-2] + b"." * 100_000)
        wire.say(reply)
        return reply

    def _ehlo(self, wire: Wire, talk: Talk, line: str) -> None:
        encrypted = isinstance(wire.sock, ssl.SSLSocket)
        features = list(self.features)
        if self.tls and not encrypted and "STARTTLS" not in self.replies:
            features.append("STARTTLS")
        if self.login and self.mechanisms:
            features.append(" ".join(("AUTH", *self.mechanisms)))
        said = ["peer.test", *features]
        lines = [f"250{'-' if item is not said[-1] else ' '}{item}\r\n" for item in said]
        self._answer(wire, "EHLO", "".join(lines).encode())

    def _helo(self, wire: Wire, talk: Talk, line: str) -> None:
        self._answer(wire, "HELO", b"250 peer.test\r\n")

    def _starttls(self, wire: Wire, talk: Talk, line: str) -> None:
        reply = self._answer(wire, "STARTTLS", b"220 2.0.0 go ahead\r\n")
        if reply.startswith(b"220") and self.tls:
            wire.encrypt(self.tls)

    def _auth(self, wire: Wire, talk: Talk, line: str) -> None:
        user, password = self.login or ("", "")
        if line.upper().startswith("AUTH LOGIN"):
            wire.say(b"334 VXNlcm5hbWU6\r\n")
            given = wire.line() + b" "
            wire.say(b"334 UGFzc3dvcmQ6\r\n")
            given += wire.line()
            wanted = b64encode(user.encode()) + b" " + b64encode(password.encode())
        else:
            given = line.split()[2].encode()
            wanted = b64encode(f"\0{user}\0{password}".encode())
        good = b"235 2.7.0 welcome\r\n"
        self._answer(
            wire, "AUTH", good if given == wanted else b"535 5.7.8 no: " + given + b"\r\n"
        )

    def _mail(self, wire: Wire, talk: Talk, line: str) -> None:
        talk.recipients.clear()
        reply = self._answer(wire, "MAIL", b"250 2.1.0 Ok\r\n")
        talk.sender = line.partition(":")[2] if reply.startswith(b"2") else ""

    def _rcpt(self, wire: Wire, talk: Talk, line: str) -> None:
        if not talk.sender:
            wire.say(b"503 5.5.1 need MAIL\r\n")
        elif self._answer(wire, "RCPT", b"250 2.1.5 Ok\r\n", line).startswith(b"2"):
            talk.recipients.append(line.partition(":")[2].strip("<>"))

    def _data(self, wire: Wire, talk: Talk, line: str) -> None:
        usual = b"354 go\r\n" if talk.recipients else b"554 5.5.1 no valid recipients\r\n"
        if not self._answer(wire, "DATA", usual).startswith(b"354"):
            return
        data = b""
        while (line_ := wire.file.readline()) != b".\r\n":
            if not line_.endswith(b"\n"):
                raise Gone
            if not data and "BODY" in self.replies:
                self._answer(wire, "BODY", b"")
            data += line_.removeprefix(b".") if line_.startswith(b".") else line_
        usual = b"250 2.0.0 Ok: queued as 4Zx1\r\n"
        reply = self._next("DOT", usual)
        if reply in (HOLD, USUAL) or reply.startswith(b"2"):
            self.received.append(Mail(talk.sender, tuple(talk.recipients), data))
        talk.sender = ""
        self._say(wire, reply, usual)

    def _rset(self, wire: Wire, talk: Talk, line: str) -> None:
        talk.sender = ""
        self._answer(wire, "RSET", b"250 2.0.0 Ok\r\n")

    def _strange(self, wire: Wire, talk: Talk, line: str) -> None:
        wire.say(b"500 5.5.2 what?\r\n")
