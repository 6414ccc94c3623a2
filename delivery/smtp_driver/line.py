"""One connection to an SMTP server: opened, secured, and asked one message at a time.

`smtplib` carries the commands. What is done here instead of there is what makes an outcome
certain: each step has a name and a time, a reply has a greatest size, and nothing is sent to an
address that the outbound guard has not passed.
"""

from __future__ import annotations

import smtplib
import socket
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

from delivery.smtp_driver.faults import Phase
from delivery.smtp_driver.letter import Letter
from hiram.lib import http

CONNECT_SECONDS = 5.0
BANNER_SECONDS = 15.0
COMMAND_SECONDS = 30.0
BODY_SECONDS = 60.0
RESET_SECONDS = 5.0

MAX_REPLY = 64 * 1024
MAX_LINE = 4096  # RFC 5321 section 4.5.3.1.5 asks for 512
MAX_PIPELINED = 50


class Refusal(Exception):
    """The server answered a step with a refusal; the message was surely not taken."""

    def __init__(self, phase: Phase, code: int, text: bytes) -> None:
        super().__init__(phase, code)
        self.phase = phase
        self.code = code
        self.text = text


class Incapable(Exception):
    """The server lacks an extension that this message or account needs."""

    def __init__(self, phase: Phase, reason: str) -> None:
        super().__init__(reason)
        self.phase = phase
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to connect."""

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password in every form in which a server could repeat it."""
        if not self.password:
            return ()
        return (self.password, _base64(self.password), _base64(_plain(self)))


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code and its text, lines joined by newlines."""

    code: int
    text: bytes

    @property
    def good(self) -> bool:
        """Whether it is a positive completion (2yz)."""
        return 200 <= self.code < 300


class Line(smtplib.SMTP):
    """A connection of one account; `phase` tells how far it came when something raises."""

    def __init__(self, server: Server, limit: http.Limit) -> None:
        super().__init__(local_hostname="localhost")
        self.server = server
        self.limit = limit
        self.uses = 0
        self.idle_since = 0.0
        self.phase = Phase.CONNECT

    def open(self) -> None:
        """Connect, greet, encrypt and log in, as the account says.

        Raises Refusal, Incapable, http.Refused, or OSError.
        """
        server = self.server
        if server.security == "none" and not http.policy().plain:
            raise http.Refused("unencrypted SMTP is not allowed, use starttls or tls")
        self.sock = http.connect(server.host, server.port, timeout=CONNECT_SECONDS)
        self.local_hostname = _own_name(self.sock)
        if server.security == "tls":
            self._encrypt()
        self.step(Phase.BANNER, BANNER_SECONDS)
        self._demand(self.read())
        self._greet()
        if server.security == "starttls":
            self._start_tls()
        if server.username:
            self._log_in()

    @property
    def wire(self) -> socket.socket:
        """The socket; raises OSError when it is closed."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        return self.sock

    def step(self, phase: Phase, seconds: float) -> None:
        """Enter a phase, which may wait `seconds` for each answer, and no longer than is left."""
        self.phase = phase
        remaining = self.limit.remaining()
        if remaining <= 0:
            raise TimeoutError("no time left")
        self.wire.settimeout(min(seconds, remaining))

    def read(self) -> Reply:
        """The next reply. Raises OSError when it is cut, endless or none."""
        return Reply(*self.getreply())

    def getreply(self) -> tuple[int, bytes]:
        """One reply as (code, text); bounded, and strict where `smtplib` guesses."""
        if self.file is None:
            self.file = self.wire.makefile("rb")
        lines: list[bytes] = []
        size = 0
        while True:
            line = self.file.readline(MAX_LINE)
            size += len(line)
            if not line.endswith(b"\n"):
                raise smtplib.SMTPServerDisconnected("the connection was cut")
            if size > MAX_REPLY or not line[:3].isdigit() or line[3:4] not in b"- \r\n":
                raise smtplib.SMTPServerDisconnected("the answer is not SMTP")
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)

    def ask(self, phase: Phase, command: str) -> Reply:
        """Send one command and read its reply."""
        self.step(phase, COMMAND_SECONDS)
        self.wire.sendall(f"{command}\r\n".encode())
        return self.read()

    def ask_all(self, steps: Sequence[tuple[Phase, str]]) -> list[Reply]:
        """The replies to several commands, sent together where the server can (RFC 2920).

        Raises Refusal at a 421: the server hangs up, and no further reply will come.
        """
        replies: list[Reply] = []
        size = MAX_PIPELINED if self.has_extn("pipelining") else 1
        for start in range(0, len(steps), size):
            batch = steps[start : start + size]
            self.step(batch[0][0], COMMAND_SECONDS)
            self.wire.sendall("".join(f"{command}\r\n" for _, command in batch).encode())
            for phase, _ in batch:
                self.phase = phase
                reply = self.read()
                if reply.code == 421:
                    raise Refusal(phase, reply.code, reply.text)
                replies.append(reply)
        return replies

    def hand_over(self, data: bytes) -> Reply:
        """Send the message and its final dot; from then on only the reply tells what became of it.

        When sending fails, the dot has not left: it is the last of what is sent.
        """
        self.step(Phase.BODY, BODY_SECONDS)
        self.wire.sendall(data.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        self.step(Phase.DOT, self.limit.remaining())
        return self.read()

    def fits(self, letter: Letter) -> None:
        """Raise unless the server's extensions suffice for `letter`."""
        limit = self.esmtp_features.get("size", "")
        if limit.isdigit() and 0 < int(limit) < len(letter.data):
            raise Refusal(Phase.MAIL, 552, f"5.3.4 larger than {limit} bytes".encode())
        if letter.international and not self.has_extn("smtputf8"):
            raise Incapable(Phase.RCPT, "the server takes no internationalised addresses")

    def parameters(self, letter: Letter) -> str:
        """What follows the sender's address: SIZE (RFC 1870), RET (3461), 8BITMIME (6152),
        SMTPUTF8 (6531).
        """
        said = f" SIZE={len(letter.data)}" if self.has_extn("size") else ""
        # Of a bounce that we read ourselves, the mail's headers are more than enough.
        said += " RET=HDRS" if letter.is_returned and self.has_extn("dsn") else ""
        if not letter.international:
            return said
        body = " BODY=8BITMIME" if self.has_extn("8bitmime") else ""
        return f"{said}{body} SMTPUTF8"

    def take_up(self, limit: http.Limit) -> None:
        """Go on with another message, under another limit."""
        self.limit = limit
        self.phase = Phase.MAIL
        limit.watch(self.wire)

    def reset(self) -> bool:
        """Forget a message that was refused; whether the connection is good for another one."""
        try:
            self.step(self.phase, RESET_SECONDS)
            self.wire.sendall(b"RSET\r\n")
            return self.read().good
        except OSError:
            return False

    def hang_up(self) -> None:
        """Say goodbye, without waiting for an answer, and close."""
        try:
            if self.sock is not None:
                self.sock.settimeout(1)
                self.wire.sendall(b"QUIT\r\n")
        except OSError:
            pass  # it has gone: that is what is wanted
        self.close()

    def _greet(self) -> None:
        self.step(Phase.EHLO, COMMAND_SECONDS)
        code, text = self.ehlo()
        if code in (500, 501, 502, 504):  # a server from before ESMTP (RFC 5321 section 3.2)
            code, text = self.helo()
        self._demand(Reply(code, text))

    def _start_tls(self) -> None:
        if not self.has_extn("starttls"):
            raise Incapable(Phase.TLS, "the server does not offer STARTTLS")
        self._demand(self.ask(Phase.TLS, "STARTTLS"))
        self._encrypt()
        self._greet()

    def _encrypt(self) -> None:
        """TLS with the host's name verified. What was read before it is forgotten (RFC 3207)."""
        self.step(Phase.TLS, COMMAND_SECONDS)
        name = http.plain_host(self.server.host).removesuffix(".")
        self.sock = http.tls().wrap_socket(self.wire, server_hostname=name)
        self.file = None

    def _log_in(self) -> None:
        offered = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            reply = self.ask(Phase.AUTH, f"AUTH PLAIN {_base64(_plain(self.server))}")
        elif "LOGIN" in offered:
            reply = self.ask(Phase.AUTH, "AUTH LOGIN")
            for answer in (self.server.username, self.server.password):
                if reply.code == 334:
                    reply = self.ask(Phase.AUTH, _base64(answer))
        else:
            raise Incapable(Phase.AUTH, "the server offers neither AUTH PLAIN nor AUTH LOGIN")
        self._demand(reply)

    def _demand(self, reply: Reply) -> None:
        if not reply.good:
            raise Refusal(self.phase, reply.code, reply.text)


def _own_name(sock: socket.socket) -> str:
    """This host's name if it is a full one, else its address as a literal (RFC 5321 4.1.4).

    Not `socket.getfqdn`: it may wait for a resolver.
    """
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = sock.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _plain(server: Server) -> str:
    return f"\0{server.username}\0{server.password}"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")
