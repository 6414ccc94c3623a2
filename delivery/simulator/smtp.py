"""The SMTP server: aiosmtpd's dialogue, with faults in every phase and quick reading of mail."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Sequence
from typing import cast
from uuid import uuid4

from aiosmtpd.smtp import SMTP, Envelope, Session

from delivery.simulator import content
from delivery.simulator.faults import Faults
from delivery.simulator.mailbox import Mailbox, Received
from delivery.simulator.orders import Order
from delivery.simulator.smtp_rules import HOSTNAME, NULL_SENDER, PlainSession, Rules, refusal
from delivery.simulator.web import FLUSH_SECONDS, drip

# aiosmtpd logs every command and every line of every mail, addresses and all.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

MAX_MAIL = 32 * 1024 * 1024
# RFC 5321, 4.5.3.1.6: a text line with its CRLF has at most 1000 octets.
MAX_LINE = 1_000
IDLE_SECONDS = 300
_READ_AHEAD = 64 * 1024
_EVERYTHING = 2**30
_END = b"\r\n.\r\n"
# RFC 5321, 4.1.2, with the letters of RFC 6531: a mailbox or nothing in angle brackets.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_QUOTED = r'"(?:[^"\\\r\n]|\\[^\r\n])*"'
_LABEL = r"[A-Za-z0-9\x80-\U0010ffff](?:[A-Za-z0-9\x80-\U0010ffff-]*)"
_MAILBOX = rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?:{_LABEL}(?:\.{_LABEL})*|\[[^\[\]\s]+\])"
_PATH = re.compile(rf"<({_MAILBOX})?>(?:\s+(.*))?")


class Cut(ConnectionResetError):
    """The connection was cut on order; aiosmtpd ends a dialogue quietly on its base class."""


class Dialogue(SMTP):
    """One connection."""

    # How much is read ahead; the limit of a text line is checked in `_objection`.
    line_length_limit = _READ_AHEAD

    def __init__(self, server: SmtpServer, *, implicit_tls: bool) -> None:
        self._server = server
        self._drip: float = 0
        super().__init__(
            server.rules,
            hostname=HOSTNAME,
            ident="ESMTP",
            enable_SMTPUTF8=True,
            data_size_limit=MAX_MAIL,
            timeout=IDLE_SECONDS,
            tls_context=None if implicit_tls else server.context,
            auth_require_tls=False,
            authenticator=server.rules.authenticate,
            loop=asyncio.get_running_loop(),
        )

    def _create_session(self) -> Session:
        return PlainSession(self.loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse where that is ordered, else begin the dialogue."""
        self._server.dialogues.add(self)
        first = self._original_transport is None
        if first and self._server.faults.take("smtp", "connect") is not None:
            cast("asyncio.Transport", transport).abort()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The peer, a fault or `SmtpServer.close` ended it."""
        self._server.dialogues.discard(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        try:
            reply = await self.fault("banner")
            if reply is None:
                await super()._handle_client()
            else:
                await self.push(reply)
                self.end()
        except ConnectionError:
            self.end()

    def end(self) -> None:
        """Close the connection; what was said is still flushed."""
        if self.transport is not None:
            self.transport.close()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        # aiosmtpd's own parses by the full, lenient grammar of RFC 5322, and takes longer than
        # all else in a dialogue.
        path = _PATH.fullmatch(arg)
        if path is None:
            return None, None
        return path.group(1) or NULL_SENDER, path.group(2) or ""

    async def push(self, status: str | bytes) -> None:
        """Send a reply, byte by byte where that is ordered; 421 ends the dialogue (RFC 5321)."""
        line = status.encode() if isinstance(status, str) else status
        if self._drip:
            pace, self._drip = self._drip, 0
            await drip(self._writer, line + b"\r\n", pace)
        else:
            await super().push(line)
        if line.startswith(b"421"):
            self.end()

    async def fault(self, phase: str, recipients: Sequence[str] = ()) -> str | None:
        """What goes wrong in this phase: a reply instead of ours, or None. Raises `Cut`."""
        order = self._server.faults.take("smtp", phase, recipients)
        if order is None:
            return None
        if order.kind == "drop":
            self.cut()
        if order.kind in ("status", "throttle"):
            return refusal(order)
        await self._pace(order)
        return None

    def cut(self) -> None:
        """Cut the connection without an answer. Raises `Cut`."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()
        raise Cut

    async def _pace(self, order: Order) -> None:
        if order.kind == "slow":
            await asyncio.sleep(order.seconds)
        if order.kind == "tarpit":
            self._drip = order.seconds

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """DATA: read a whole mail at once instead of line by line."""
        recipients = cast("Envelope", self.envelope).rcpt_tos
        reply = None if recipients else "503 5.5.1 need RCPT command"
        reply = reply or (None if not arg else "501 5.5.4 DATA takes nothing")
        reply = reply or await self.fault("data", recipients)
        if reply is None:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            reply = await self._taken(await self._mail(recipients))
            self.envelope = self._create_envelope()
        await self.push(reply)

    async def _mail(self, recipients: Sequence[str]) -> bytes | None:
        """The mail up to its final dot, dots unstuffed; None when it is too big."""
        # The CRLF of the DATA line counts: a first line of one dot is the end too.
        data = bytearray(b"\r\n")
        cut = self._server.faults.take("smtp", "body", recipients)
        searched, dropped = 0, False
        while (end := data.find(_END, searched)) < 0:
            searched = max(0, len(data) - len(_END) + 1)
            chunk = await self._reader.read(_EVERYTHING)
            if not chunk or cut is not None:
                self.cut()
            data += chunk
            if len(data) > MAX_MAIL:
                searched, dropped = 0, True
                del data[: -len(chunk) - len(_END)]
        # What follows the final dot was pipelined (RFC 2920): it is the next command. The reader
        # has been emptied, so that feeding it keeps the order.
        self._reader.feed_data(bytes(data[end + len(_END) :]))
        if dropped:
            return None
        return bytes(data[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]

    async def _taken(self, raw: bytes | None) -> str:
        """Put the mail into the mailbox and say so."""
        if raw is None:
            return "552 5.3.4 too big"
        if (objection := _objection(raw)) is not None:
            return objection
        recipients = cast("Envelope", self.envelope).rcpt_tos
        order = self._server.faults.take(
            "smtp", "dot", recipients, lambda: content.subject("smtp", raw)
        )
        kind = order.kind if order else ""
        if order and kind in ("status", "throttle"):
            return refusal(order)
        if kind == "drop":
            self.cut()
        ids = [self._keep(raw) for _ in range(2 if kind == "duplicate" else 1)]
        if kind == "cut_after_accept":
            self.cut()
        if order:
            await self._pace(order)
        return f"250 2.0.0 Ok: queued as {ids[0]}"

    def _keep(self, raw: bytes) -> str:
        envelope, session = cast("Envelope", self.envelope), cast("PlainSession", self.session)
        queue_id = uuid4().hex
        self._server.mailbox.add(
            Received(
                id=queue_id,
                vendor="smtp",
                key=content.message_id(raw).partition("@")[0],
                sender=(envelope.mail_from or "").removeprefix(NULL_SENDER),
                recipients=tuple(envelope.rcpt_tos),
                received_at=time.time(),
                raw=raw,
                account=session.login_data.decode("utf-8", "replace"),
            )
        )
        return queue_id


class SmtpServer:
    """Makes a dialogue for every connection of `asyncio`'s `create_server`."""

    def __init__(
        self,
        mailbox: Mailbox,
        faults: Faults,
        *,
        password: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.mailbox = mailbox
        self.faults = faults
        self.rules = Rules(password)
        self.context = context
        self.dialogues: set[Dialogue] = set()

    def plain(self) -> Dialogue:
        """A dialogue that begins in the clear."""
        return Dialogue(self, implicit_tls=False)

    def tls(self) -> Dialogue:
        """A dialogue on a connection that is TLS from the start."""
        return Dialogue(self, implicit_tls=True)

    async def close(self) -> None:
        """End every dialogue; replies that were given are still flushed."""
        deadline = time.monotonic() + FLUSH_SECONDS
        for dialogue in list(self.dialogues):
            dialogue.end()
        while self.dialogues and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for dialogue in list(self.dialogues):
            if dialogue.transport is not None:
                cast("asyncio.Transport", dialogue.transport).abort()


def _objection(raw: bytes) -> str | None:
    """What RFC 5321 (2.3.8, 4.5.3.1.6) forbids, and lenient servers let through."""
    if not raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r"):
        return "550 5.6.0 CR and LF only together"
    if len(max(raw.split(b"\r\n"), key=len)) > MAX_LINE - 2:
        return "500 5.5.2 a line is too long"
    return None
