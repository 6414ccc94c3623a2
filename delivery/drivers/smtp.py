"""Any SMTP server: a tenant's own, or a provider's submission service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from delivery.driver import described
from delivery.smtp_driver import BadAddress, SmtpDriver, address
from hiram.lib import http

RETURN_DOMAIN_OCTETS = 199
"""A path has at most 256 octets with its brackets (RFC 5321, 4.5.3.1.3), of which the part before
the domain takes 55."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the server is, and who the mail is from."""

    host: str = described("Server", help="Host name of the SMTP server.")
    port: int = described(
        "Port", help="Usually 587 with STARTTLS, 465 with TLS.", default=587, required=False
    )
    security: str = described(
        "Encryption",
        help="STARTTLS is demanded, not merely tried. None only where the operator allows it.",
        default="starttls",
        required=False,
        choices=("starttls", "tls", "none"),
    )
    username: str = described(
        "User name", help="Leave empty for a server without login.", required=False
    )
    from_email: str = described("Sender address", help="Mail is sent from this address.")
    from_name: str = described(
        "Sender name", help="Shown beside the sender address.", required=False
    )
    allowed_from: tuple[str, ...] = described(
        "Further senders",
        help="Addresses, or whole domains such as @example.com, that a notification may use.",
        default=(),
        required=False,
    )
    return_domain: str = described(
        "Domain for bounces",
        help="Its mail must come to this installation. Each mail then has a return address there.",
        required=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the server wants to know besides the user name."""

    password: str = described("Password", help="Needed with a user name.", required=False)


class Smtp(SmtpDriver):
    """Mail by SMTP (RFC 5321)."""

    label: ClassVar[str] = "SMTP"
    settings: ClassVar[type[Any]] = Settings
    credentials: ClassVar[type[Any]] = Credentials

    @classmethod
    def check(cls, settings: Settings, credentials: Credentials) -> list[tuple[str, str]]:
        """See `Driver.check`."""
        wrong = _wrong_senders(settings)
        if not settings.from_name.isprintable():
            wrong.append(("from_name", "A name is one line of text."))
        if settings.return_domain and not _is_domain(settings.return_domain):
            wrong.append(("return_domain", "Not a domain that mail can be sent to."))
        if settings.security == "none" and not http.policy().plain:
            wrong.append(("security", "The operator does not allow unencrypted SMTP."))
        if settings.username and not credentials.password:
            wrong.append(("password", "A user name needs a password."))
        if not 0 < settings.port < 65536:
            wrong.append(("port", "A port is between 1 and 65535."))
        else:
            wrong += _wrong_host(settings)
        return wrong


def _wrong_senders(settings: Settings) -> list[tuple[str, str]]:
    wrong = []
    senders = [("allowed_from", allowed) for allowed in settings.allowed_from]
    for name, sender in [("from_email", settings.from_email), *senders]:
        domain = name == "allowed_from" and sender.startswith("@")
        try:
            address(f"anyone{sender}" if domain else sender)
        except BadAddress as error:
            wrong.append((name, f"Not an e-mail address: {error}."))
    return wrong


def _is_domain(text: str) -> bool:
    try:
        return len(address(f"anyone@{text}").rpartition("@")[2]) <= RETURN_DOMAIN_OCTETS
    except BadAddress:
        return False


def _wrong_host(settings: Settings) -> list[tuple[str, str]]:
    try:
        http.check(settings.host, settings.port)
    except http.Refused as refused:
        return [("host", f"{refused}.")]
    except OSError:
        return []  # it does not resolve just now, which may pass
    return []
