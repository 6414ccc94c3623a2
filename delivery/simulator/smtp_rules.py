"""What the SMTP server says in each phase: aiosmtpd calls `Rules` by its methods' names.

Any login with any password is taken (or only `password`, where one is set); a login name that
begins with `invalid` gets 535.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

from delivery.simulator.orders import Order

if TYPE_CHECKING:
    from delivery.simulator.smtp import Dialogue

HOSTNAME = "simulator.test"
# What aiosmtpd calls it: an empty address is a syntax error to it.
NULL_SENDER = "<>"


class PlainSession(Session):
    """A session whose login name can be set: aiosmtpd's own warns when aiosmtpd sets it."""

    login_data = b""


class Rules:
    """The replies to each command, and who may log in."""

    def __init__(self, password: str | None) -> None:
        self._password = password

    async def handle_HELO(  # noqa: N802
        self, server: Dialogue, session: Session, envelope: Envelope, hostname: str
    ) -> str:
        """HELO, subject to the faults of phase ehlo."""
        reply = await server.fault("ehlo")
        if reply is None:
            session.host_name = hostname
        return reply or f"250 {HOSTNAME}"

    async def handle_EHLO(  # noqa: N802
        self,
        server: Dialogue,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """EHLO, with what we can do besides aiosmtpd's own."""
        reply = await server.fault("ehlo")
        if reply is not None:
            return [reply]
        session.host_name = hostname
        extensions = ["250-PIPELINING", "250-ENHANCEDSTATUSCODES"]
        return [*responses[:-1], *extensions, responses[-1]]

    async def handle_AUTH(  # noqa: N802
        self, server: Dialogue, session: Session, envelope: Envelope, args: list[str]
    ) -> Any:
        """AUTH, before the credentials are looked at."""
        reply = await server.fault("auth")
        return MISSING if reply is None else reply

    async def handle_MAIL(  # noqa: N802
        self,
        server: Dialogue,
        session: Session,
        envelope: Envelope,
        address: str,
        mail_options: list[str],
    ) -> str:
        """MAIL FROM."""
        reply = await server.fault("mail") or _unspeakable(address, envelope)
        if self._password is not None and not session.authenticated:
            reply = "530 5.7.0 log in first"
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(mail_options)
        return reply or "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self,
        server: Dialogue,
        session: Session,
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        """RCPT TO: each recipient on its own."""
        reply = await server.fault("rcpt", [address]) or _unspeakable(address, envelope)
        if address == NULL_SENDER:
            reply = "501 5.1.3 nobody is no recipient"
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 2.1.5 Ok"

    def authenticate(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        mechanism: str,
        auth_data: LoginPassword,
    ) -> AuthResult:
        """aiosmtpd's authenticator."""
        name = auth_data.login.decode("utf-8", "replace")
        right = self._password in (None, auth_data.password.decode("utf-8", "replace"))
        success = right and not name.startswith("invalid")
        return AuthResult(success=success, handled=False, auth_data=auth_data)


def _unspeakable(address: str, envelope: Envelope) -> str | None:
    """RFC 6531, 3.5: a non-ASCII address only where the mail was announced with SMTPUTF8."""
    if address.isascii():
        return None
    if any("\ud800" <= character <= "\udfff" for character in address):
        return "553 5.1.3 the address is not UTF-8"
    return None if envelope.smtp_utf8 else "553 5.6.7 the address needs SMTPUTF8"


def refusal(order: Order) -> str:
    """The reply that an ordered fault gives."""
    code = order.code or (450 if order.kind == "throttle" else 451)
    enhanced = order.enhanced or ("4.7.1" if order.kind == "throttle" else f"{str(code)[0]}.0.0")
    return f"{code} {enhanced} {order.message or 'ordered from the simulator'}"
