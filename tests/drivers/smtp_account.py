"""A message and accounts for the tests of the SMTP driver."""

from __future__ import annotations

from typing import Any

from delivery.driver import Account, Message
from delivery.drivers.smtp import Credentials, Settings
from tests.drivers.conformance import AT

FROM = "shop@acme.example"

MESSAGE = Message(
    key="ntf_01",
    channel="email",
    recipient="ann@example.com",
    at=AT,
    subject="Order confirmed",
    text="Thank you.\n",
    html="<p>Thank you.</p>\n",
)


def account(port: int, *, password: str = "", revision: str = "1", **settings: Any) -> Account:
    """An account on 127.0.0.1, unencrypted and without login unless told otherwise."""
    wanted: dict[str, Any] = {"host": "127.0.0.1", "security": "none", "from_email": FROM}
    opened = Settings(**{**wanted, "port": port, **settings})
    return Account("prv_1", revision, opened, Credentials(password=password))
