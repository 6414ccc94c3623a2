"""Server: an SMTP server for return paths alone. It relays nothing, and answers nobody by mail.

An address that is not ours is refused at RCPT, without the database; a report is answered with 250
only after it is kept, so that a sender who hears nothing else sends it again.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast
from uuid import UUID

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from delivery.inbound.take import Taken, take
from delivery.return_path import attempt_of
from hiram.lib import ids
from hiram.telemetry import metrics

# aiosmtpd logs every command and every line of every mail, addresses and all.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)
logger = logging.getLogger(__name__)

MAIL_OCTETS = 1024 * 1024
"""A report needs no more than a page, and what it is about is optional in it (RFC 6522, 3); where
the server lets us, we ask for the headers alone."""

SESSION_SECONDS = 300.0
"""How long a session may last, however many mails it brings and however slowly."""

SESSIONS = 200
"""At a time; each of them may hold a mail."""

STOP_SECONDS = 15.0
"""How long a mail that has arrived may take to be kept when the server is stopped."""

_STOPPING = "421 4.3.2 stopping, come back later"
_END = b"\r\n.\r\n"
_EVERYTHING = 2**30
_READ_AHEAD = 64 * 1024
_MOST_OCTETS = MAIL_OCTETS * 3 // 2 + len(_END)
"""With each of its dots doubled, if it has nothing but lines of dots."""

_THREADS = 4
_NOBODY = "<>"
"""What aiosmtpd calls the empty sender: an empty address is a syntax error to it."""

# RFC 5321, 4.1.2, as far as it is looked at; aiosmtpd's own reads the whole grammar of RFC 5322.
_PATH = re.compile(r"<([^<>\s]*)>(?:\s+(.*))?")

Take = Callable[[UUID, bool, bytes], Taken | None]


def taken(attempt_id: UUID, from_nobody: bool, mail: bytes) -> Taken | None:
    """What became of the mail; None when the database was away. For any thread."""
    close_old_connections()
    try:
        return take(attempt_id, mail, from_nobody=from_nobody)
    except (OperationalError, InterfaceError) as error:
        logger.warning("a mail cannot be kept: %s", type(error).__name__)
        connection.close()
        return None


class Rules:
    """What is answered where aiosmtpd has no answer of its own."""

    async def handle_RCPT(  # noqa: N802
        self, server: Dialogue, session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        """RCPT TO: a return path of ours."""
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        if attempt_of(address) is None:
            return "550 5.1.1 there is no such address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_exception(self, error: Exception) -> str:
        """A defect of ours: the sender tries again, by when it may be mended."""
        logger.error("a mail could not be taken: %s", type(error).__name__)
        return "451 4.3.0 try again later"


class Dialogue(SMTP):
    """One connection."""

    # How much is read ahead; aiosmtpd checks the length of commands besides.
    line_length_limit = _READ_AHEAD

    def __init__(self, server: InboundServer) -> None:
        self._server = server
        self._limit: asyncio.TimerHandle | None = None
        self._is_surplus = False
        self.is_keeping = False
        super().__init__(
            server.rules,
            hostname=server.hostname,
            ident="ESMTP",
            enable_SMTPUTF8=True,
            data_size_limit=MAIL_OCTETS,
            timeout=server.session_seconds,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the dialogue, and its time."""
        self._server.dialogues.add(self)
        self._is_surplus = len(self._server.dialogues) > SESSIONS
        self._limit = self.loop.call_later(self._server.session_seconds, self.abort)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The peer, the time or `InboundServer.close` ended it."""
        self._server.dialogues.discard(self)
        if self._limit is not None:
            self._limit.cancel()
        super().connection_lost(error)

    def abort(self) -> None:
        """Cut the connection."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()

    def leave(self, reply: str) -> None:
        """Say so, and close the connection."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).write(f"{reply}\r\n".encode())
            self.transport.close()

    async def _handle_client(self) -> None:
        if self._is_surplus:
            self.leave("421 4.3.2 too many connections")
        else:
            await super()._handle_client()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        path = _PATH.fullmatch(arg)
        return (path[1] or _NOBODY, path[2] or "") if path else (None, None)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        """DATA: a mail of bounded size, whatever its lines are like."""
        envelope = cast("Envelope", self.envelope)
        if arg or not envelope.rcpt_tos:
            await self.push("501 5.5.4 DATA takes nothing" if arg else "503 5.5.1 need RCPT first")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        mail = await self._mail()
        self.envelope = self._create_envelope()
        if mail is None:
            await self.push(f"552 5.3.4 more than {MAIL_OCTETS} octets")
            return
        self.is_keeping = True
        try:
            reply = await self._server.keep(envelope, mail)
        finally:
            self.is_keeping = False
        await self.push(reply)
        if self._server.is_stopping:
            self.leave(_STOPPING)

    async def _mail(self) -> bytes | None:
        """The mail up to its final dot, dots unstuffed; None when it is too large.

        By what has arrived, not by lines: somebody might send nothing but ends of lines.
        """
        # The CRLF of the DATA line counts: a first line of one dot is the end too.
        mail, searched, is_large = bytearray(b"\r\n"), 0, False
        while (end := mail.find(_END, searched)) < 0:
            if len(mail) > _MOST_OCTETS:
                is_large = True
                del mail[: -len(_END)]
            searched = max(0, len(mail) - len(_END) + 1)
            chunk = await self._reader.read(_EVERYTHING)
            if not chunk:
                raise ConnectionResetError
            mail += chunk
        # What follows was pipelined (RFC 2920). The reader is empty, so the order is kept.
        if rest := bytes(mail[end + len(_END) :]):
            self._reader.feed_data(rest)
        whole = bytes(mail[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]
        return None if is_large or len(whole) > MAIL_OCTETS else whole


class InboundServer:
    """Listens until it is closed. To be used in one event loop."""

    def __init__(
        self, hostname: str, *, take: Take = taken, session_seconds: float = SESSION_SECONDS
    ) -> None:
        """`hostname` is what it calls itself; `take` is called in threads."""
        self.hostname = hostname
        self.session_seconds = session_seconds
        self.rules = Rules()
        self.dialogues: set[Dialogue] = set()
        self.is_stopping = False
        self._take = take
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="inbound")
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; the port it became. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Dialogue(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def keep(self, envelope: Envelope, mail: bytes) -> str:
        """The reply to a mail."""
        attempt_id = attempt_of(envelope.rcpt_tos[0])
        if attempt_id is None:
            return "550 5.1.1 there is no such address"
        from_nobody = envelope.mail_from == _NOBODY
        loop = asyncio.get_running_loop()
        became = await loop.run_in_executor(self._pool, self._take, attempt_id, from_nobody, mail)
        if became is None:
            return "451 4.3.0 try again later"
        metrics.returned(became)
        logger.info("mail to the return path of %s: %s", ids.show("att", attempt_id), became)
        return "250 2.0.0 Ok"

    async def close(self) -> None:
        """Listen no more, keep what has arrived whole, and send everybody else away."""
        self.is_stopping = True
        if self._server is not None:
            self._server.close()
        for dialogue in list(self.dialogues):
            if not dialogue.is_keeping:
                dialogue.leave(_STOPPING)
        deadline = time.monotonic() + STOP_SECONDS
        while self.dialogues and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for dialogue in list(self.dialogues):
            dialogue.abort()
        self._pool.shutdown(cancel_futures=True)
