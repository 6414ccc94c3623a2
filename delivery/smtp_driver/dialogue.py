"""One e-mail, handed over to one server: what is said, and what became of it."""

from __future__ import annotations

import hashlib
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from typing import ClassVar

from delivery.driver import Account, Answer, Copy, Driver, Failed, Fault, Message, Sent, Unknown
from delivery.smtp_driver.faults import TRANSACTION, Phase, classify, retry_after
from delivery.smtp_driver.letter import BadAddress, BadLetter, Letter, Sender, compose
from delivery.smtp_driver.line import Incapable, Line, Refusal, Reply, Server
from delivery.smtp_driver.pool import Key, Pool
from hiram.lib import http
from hiram.lib.excerpt import excerpt

_ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
# How Postfix, Exim and Amazon SES name the message that they took.
_QUEUED = re.compile(
    r"queued as ([\w.-]{1,100})|\bid=([\w.-]{1,100})|^ok:? ([\w-]{16,100})$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Call:
    """One `send`."""

    key: Key
    server: Server
    letter: Letter
    limit: http.Limit


class SmtpDriver(Driver):
    """Base of the drivers that speak SMTP; `settings` and `credentials` give what `Server` needs.

    Only a cut or silence after the final dot is Unknown: before it nothing was handed over
    (RFC 1047).
    """

    channel: ClassVar[str] = "email"
    gives_receipts: ClassVar[bool] = False
    takes_idempotency_key: ClassVar[bool] = False
    max_per_second: ClassVar[float | None] = None

    def __init__(self) -> None:
        self._pool = Pool()

    def send(self, account: Account, message: Message, *, timeout: float) -> Answer:
        """See `Driver.send`."""
        try:
            letter = _letter(account, message)
        except BadAddress as error:
            return Failed(Fault.BAD_ADDRESS, str(error))
        except BadLetter as error:
            return Failed(Fault.BAD_CONTENT, str(error))
        key = self._pool.key(account.id, account.revision)
        with http.deadline(timeout) as limit:
            call = _Call(key, _server(account), letter, limit)
            return self._send(call, self._pool.take(key))

    def payload(self, account: Account, message: Message) -> bytes:
        """The e-mail as the server stores it. Raises ValueError for one that cannot be written."""
        return _letter(account, message).data

    def close(self) -> None:
        """See `Driver.close`."""
        self._pool.close()

    def _send(self, call: _Call, line: Line | None) -> Answer:
        reused = line is not None
        line = line or Line(call.server, call.limit)
        try:
            if reused:
                line.take_up(call.limit)
            else:
                line.open()
            answer: Answer = _exchange(line, call.letter)
        except (Refusal, Incapable, http.Refused, OSError) as error:
            if reused and _stale(line, error):
                line.close()
                return self._send(call, None)
            answer = _explained(line, call.letter, error)
            if not (_resumable(error) and line.reset()):
                line.close()
        if line.sock is not None and not call.limit.expired:
            self._pool.put(call.key, line)
        else:
            line.close()
        return answer


def _letter(account: Account, message: Message) -> Letter:
    settings = account.settings
    return compose(message, Sender(settings.from_email, settings.from_name, settings.allowed_from))


def _server(account: Account) -> Server:
    settings = account.settings
    password = account.credentials.password
    return Server(settings.host, settings.port, settings.security, settings.username, password)


def _stale(line: Line, error: Exception) -> bool:
    """Whether a reused connection was found dead, before the message was handed over."""
    if line.phase is not Phase.MAIL or line.limit.expired:
        return False
    return isinstance(error, OSError) or (isinstance(error, Refusal) and error.code == 421)


def _resumable(error: Exception) -> bool:
    """Whether the server refused one message, and may take another on the same connection.

    Not after a code that refuses nothing: the dialogue is out of step.
    """
    if not isinstance(error, Refusal) or error.phase not in TRANSACTION:
        return False
    return error.code >= 400 and error.code != 421


def _exchange(line: Line, letter: Letter) -> Sent:
    """Hand `letter` over. The state follows the recipient; copies are taken or not beside it.

    DATA is pipelined only where there is one recipient: with more, a refused recipient and an
    accepted copy would leave no way back from DATA (RFC 2920 section 3.1).
    """
    line.fits(letter)
    recipients = list(dict.fromkeys((letter.recipient, *letter.copies)))
    steps = [(Phase.MAIL, f"MAIL FROM:<{letter.sender}>{line.parameters(letter)}")]
    steps += [(Phase.RCPT, f"RCPT TO:<{recipient}>") for recipient in recipients]
    if len(recipients) == 1:
        steps.append((Phase.DATA, "DATA"))
    mail, *answers = line.ask_all(steps)
    data = answers.pop() if len(recipients) == 1 else None
    for phase, reply in ((Phase.MAIL, mail), (Phase.RCPT, answers[0])):
        if not reply.good:
            if data is not None and data.code < 400:
                line.close()  # it waits for a message that must not be sent
            raise Refusal(phase, reply.code, reply.text)
    data = data or line.ask(Phase.DATA, "DATA")
    if data.code != 354:
        raise Refusal(Phase.DATA, data.code, data.text)
    final = line.hand_over(letter.data)
    if 400 <= final.code < 600:
        raise Refusal(Phase.DOT, final.code, final.text)
    if not final.good:
        raise smtplib.SMTPServerDisconnected("the answer is not SMTP")
    taken = dict(zip(recipients, answers, strict=True))
    copies = tuple(_copy(line, copy, taken[copy]) for copy in letter.copies)
    return _sent(line, letter, final, copies)


def _copy(line: Line, address: str, reply: Reply) -> Copy:
    words = "" if reply.good else _words(reply.text, line.server.secrets)[1]
    return Copy(address, reply.good, str(reply.code), words)


def _sent(line: Line, letter: Letter, final: Reply, copies: tuple[Copy, ...]) -> Sent:
    enhanced, words = _words(final.text, line.server.secrets)
    match = _QUEUED.search(words)
    queued = next(filter(None, match.groups()), "") if match else ""
    digest = hashlib.sha256(letter.data).hexdigest()
    return Sent(queued, str(final.code), enhanced, words, copies, digest)


def _words(text: bytes, secrets: tuple[str, ...]) -> tuple[str, str]:
    """The enhanced code (RFC 2034) and the text of a reply, on one line and fit to be stored."""
    match = _ENHANCED.match(text)
    enhanced = match[1].decode() if match else ""
    lines = (_ENHANCED.sub(b"", line, count=1) for line in text.split(b"\n"))
    return enhanced, excerpt(b" ".join(lines), secrets=secrets)


def _explained(line: Line, letter: Letter, error: Exception) -> Failed | Unknown:
    if isinstance(error, Refusal):
        return _refused(line, error)
    if isinstance(error, http.Refused):
        return Failed(Fault.BAD_ACCOUNT, str(error))
    if isinstance(error, Incapable):
        return Failed(_lacking(error, letter), error.reason)
    detail = f"{line.phase}: {_trouble(line, error)}"
    return Unknown(detail) if line.phase is Phase.DOT else Failed(Fault.TRANSIENT, detail)


def _refused(line: Line, refusal: Refusal) -> Failed:
    enhanced, words = _words(refusal.text, line.server.secrets)
    code = refusal.code
    return Failed(
        classify(refusal.phase, code, enhanced, words),
        excerpt(f"{refusal.phase}: {words}"),
        retry_after(code, enhanced, words),
        str(code),
        enhanced,
    )


def _lacking(lack: Incapable, letter: Letter) -> Fault:
    """No STARTTLS may be an attack or a bad hour; no AUTH is a wrong account."""
    if lack.phase is Phase.TLS:
        return Fault.TRANSIENT
    if lack.phase is Phase.AUTH:
        return Fault.BAD_ACCOUNT
    return Fault.BAD_CONTENT if letter.recipient.isascii() else Fault.BAD_ADDRESS


def _trouble(line: Line, error: Exception) -> str:
    """What is wrong with the connection, in words without addresses of ours."""
    if line.limit.expired or isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return excerpt(f"the certificate is not accepted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return excerpt(f"it failed: {error.reason or 'the connection was cut'}")
    if isinstance(error, socket.gaierror):
        return "the host's name cannot be resolved"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return str(error)
    return getattr(error, "strerror", None) or "the connection failed"
