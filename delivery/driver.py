"""The driver contract: what a provider's driver declares, is given, and answers. Pure: no framework.

A driver turns one composed message into one call of one provider and says, as a value, what
became of it. It never raises for what a provider or a network can do, never retries, never
touches a table. What an answer means for the notification is decided once, in `delivery.settle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol


class Fault(StrEnum):
    """Why a provider surely did not take a message.

    transient: try again later. throttled: slow down, honour `retry_after`. bad_address: this
    recipient can never be reached. bad_account: our credentials or account are refused, nothing
    else will pass either. bad_content: this message can never pass.
    """

    TRANSIENT = "transient"
    THROTTLED = "throttled"
    BAD_ADDRESS = "bad_address"
    BAD_ACCOUNT = "bad_account"
    BAD_CONTENT = "bad_content"


@dataclass(frozen=True, slots=True)
class Copy:
    """What became of one further recipient (cc or bcc) of the same message."""

    address: str
    accepted: bool
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it. `code` is its own answer (SMTP reply code or HTTP status).

    `payload_sha256` is of the bytes handed over, where the driver has them at hand. `response` is
    an excerpt of what was answered, where that is for the tenant to see.
    """

    provider_message_id: str = ""
    code: str = ""
    enhanced_code: str = ""
    detail: str = ""
    copies: tuple[Copy, ...] = ()
    payload_sha256: str = ""
    response: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider surely did not take it. `retry_after` is in seconds, as the provider asked."""

    fault: Fault
    detail: str
    retry_after: float | None = None
    code: str = ""
    enhanced_code: str = ""
    response: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may have taken effect: the answer was lost, cut or came from a gateway."""

    detail: str
    code: str = ""
    response: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """The provider was asked, and has no such message."""


Answer = Sent | Failed | Unknown


class Kind(StrEnum):
    """What a provider reports of a message that it has, or had.

    accepted: it has taken it, and nothing more. deferred: it tries again by itself. rejected: it
    took it and then would not send it. opened and clicked are as far as it can see.
    """

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REJECTED = "rejected"
    OPENED = "opened"
    CLICKED = "clicked"


@dataclass(frozen=True, slots=True)
class Request:
    """A provider's call to us. Header names are in lower case; `url` is the whole public one."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """One thing that a provider's call says of one message to one recipient.

    `echo` is our own `attempt_id` or `key` of the message where the vendor gives it back.
    `event_id` is the same however often the vendor repeats the call, or empty. `hard` says of a
    bounce that the address can never be reached. `recipient` is empty where the vendor does not
    say which of several it was. `raw` is the vendor's own form of this report.
    """

    kind: Kind
    provider_message_id: str = ""
    echo: str = ""
    event_id: str = ""
    at: datetime | None = None
    recipient: str = ""
    hard: bool = False
    code: str = ""
    description: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Forged:
    """The call does not bear the vendor's signature, or an old one."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The call is not in the vendor's form."""

    detail: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of an e-mail; `content` is the decoded bytes."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one recipient, composed by its channel: nothing is left to look up.

    `key` is the same on every try of one notification and differs between notifications and
    recorded replays: it is the Message-ID's local part and the provider's idempotency key.
    `at` is when the notification was accepted (the Date header, the same on every try).
    `attempt_id` identifies this one try, for receipts, and `return_path` is where a mail server
    may report of it (empty: to the sender). Channels use the fields they have.
    """

    key: str
    channel: str
    recipient: str
    at: datetime
    attempt_id: str = ""
    return_path: str = ""
    sender: str = ""
    sender_name: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    reply_to: str = ""
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """One provider account of a tenant, opened for one call: declared fields, secrets in clear.

    `id` keys reused connections; a changed account gets another `revision`, so that a connection
    opened with old credentials is never reused. `callback_url` is where its vendor may report to.
    """

    id: str
    revision: str
    settings: Any
    credentials: Any
    callback_url: str = ""

    def __repr__(self) -> str:
        return f"Account({self.id})"


def described(
    label: str,
    *,
    help: str = "",  # noqa: A002
    default: Any = None,
    required: bool = True,
    choices: tuple[str, ...] = (),
) -> Any:
    """A declared field of a driver's `settings` or `credentials` dataclass.

    The portal's form, the API's schema and the validation are all made from it. Field types are
    str, int, bool and tuple[str, ...]; a field that is not required has the given default, which
    is an empty string unless told. No described field is in the dataclass's repr, so neither a
    credential nor an address gets from there into a log.
    """
    metadata = {"label": label, "help": help, "choices": choices, "required": required}
    if default is None:
        if required:
            return field(repr=False, metadata=metadata)
        default = ""
    return field(default=default, repr=False, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Nothing:
    """The declared fields of a driver that needs none."""


class Driver(Protocol):
    """What a module of `delivery.drivers` defines exactly once, as a class; its name is the key.

    The class attributes declare; an instance holds the connections that are reused between
    calls and is used by several threads at once. A driver inherits from this class, and so has
    the answers given here unless it gives its own.
    """

    channel: ClassVar[str]
    label: ClassVar[str]
    settings: ClassVar[type[Any]]
    credentials: ClassVar[type[Any]]
    gives_receipts: ClassVar[bool]
    takes_idempotency_key: ClassVar[bool]
    max_per_second: ClassVar[float | None]
    looks_up: ClassVar[bool] = False

    @classmethod
    def check(cls, settings: Any, credentials: Any) -> list[tuple[str, str]]:
        """What is wrong with an account beyond its fields' types, as (field, message) pairs.

        Asked whenever a tenant saves a provider, while they wait: it must be quick, and does no
        network but the outbound guard's name resolution. A name that does not resolve just now is
        not wrong. Messages are for the tenant and repeat no credential.
        """
        return []

    def send(self, account: Account, message: Message, *, timeout: float) -> Answer:
        """Call the provider once, within `timeout` seconds in all, also against a dripping peer."""
        ...

    def look_up(self, account: Account, message: Message, *, timeout: float) -> Answer | Missing:
        """Ask whether the provider has taken this message on an earlier try.

        Called where the class says `looks_up`: `Sent` if it has, `Failed` or `Unknown` if that
        cannot be told now.
        """
        return Unknown("this driver cannot ask")

    def receipts(self, account: Account, request: Request) -> list[Report] | Forged | Unreadable:
        """What a call of the vendor says, after its signature is checked; no call goes out,
        unless the vendor wants its subscription confirmed.

        Called where the class says `gives_receipts`. Where the vendor signs nothing, or the
        account has no secret to check it by, the caller's own token is the only protection.
        """
        return Unreadable("this driver gets no receipts")

    def payload(self, account: Account, message: Message) -> bytes:
        """The exact bytes that `send` would hand over, without secrets: hashed as evidence.

        The same on every try. Raises ValueError for a message that `send` would not hand over.
        """
        ...

    def close(self) -> None:
        """Close every kept connection."""
        ...
