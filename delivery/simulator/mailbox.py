"""What arrived: a bounded store of messages, and a compact log of arrivals to count duplicates.

Owned by one thread (the simulator's event loop); nothing here waits or locks.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from delivery.simulator import content
from delivery.simulator.journal import Journal

MAX_MESSAGES = 20_000
MAX_BYTES = 256 * 1024 * 1024
MAX_ARRIVALS = 1_000_000
_encode = json.JSONEncoder(separators=(",", ":")).encode
Vendor = Literal["smtp", "resend", "twilio"]
CHANNELS: Mapping[Vendor, str] = {"smtp": "email", "resend": "email", "twilio": "sms"}


@dataclass
class Received:
    """One message as it came over the wire. `received_at` is in seconds since the epoch.

    `key` is what its sender identifies it by: the Message-ID's local part, the Idempotency-Key,
    or an SMS's body (its SHA-256 when longer than 64 characters). `account` is the login name or
    the account SID that it was sent with, never a secret.
    """

    id: str
    vendor: Vendor
    key: str
    sender: str
    recipients: tuple[str, ...]
    received_at: float
    raw: bytes = field(repr=False)
    account: str = ""
    sequence: int = 0

    @property
    def channel(self) -> str:
        """`email` or `sms`."""
        return CHANNELS[self.vendor]

    @cached_property
    def subject(self) -> str:
        """The subject, decoded; "" for an SMS."""
        return content.subject(self.vendor, self.raw)

    @property
    def content(self) -> content.Content:
        """Text, HTML, headers and attachments, read anew at each call."""
        return content.read(self.vendor, self.raw)

    @property
    def message_id(self) -> str:
        """An e-mail's Message-ID without angle brackets, else ""."""
        return content.message_id(self.raw) if self.vendor == "smtp" else ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages: every given field must match; text without regard to case.

    `subject` is a part of the subject; `since` is exclusive, in seconds since the epoch; `before`
    is the sequence number that a page ended with.
    """

    channel: str | None = None
    recipient: str | None = None
    subject: str | None = None
    key: str | None = None
    message_id: str | None = None
    since: float | None = None
    before: int | None = None

    def accepts(self, message: Received) -> bool:
        """Whether the message matches; the cheap questions come first."""
        return (
            self.channel in (None, message.channel)
            and self.key in (None, message.key)
            and (self.before is None or message.sequence < self.before)
            and (self.since is None or message.received_at > self.since)
            and (self.recipient is None or _among(self.recipient, message.recipients))
            and (self.message_id is None or self.message_id == message.message_id)
            and (self.subject is None or self.subject.lower() in message.subject.lower())
        )


def _among(address: str, recipients: tuple[str, ...]) -> bool:
    wanted = address.lower()
    return any(recipient.lower() == wanted for recipient in recipients)


_KNOWN = TypeAdapter(Received)


class Mailbox:
    """The newest messages, and one line for every recipient of every message that arrived."""

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        max_arrivals: int = MAX_ARRIVALS,
    ) -> None:
        self._journal = journal
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages: OrderedDict[str, Received] = OrderedDict()
        self._bytes = 0
        self._sequence = 0
        self._arrivals: deque[bytes] = deque(maxlen=max_arrivals)
        self._arrived = 0
        if journal is not None:
            self._load(journal)

    @property
    def arrived(self) -> int:
        """How many arrivals there were since the last `clear`, forgotten ones included."""
        return self._arrived

    def add(self, message: Received) -> None:
        """Keep the message; it is with the operating system when this returns."""
        self._keep(message)
        if self._journal is not None:
            self._journal.append(_record(message), message.raw)

    def get(self, received_id: str) -> Received | None:
        """The message of this id, if it is still kept."""
        return self._messages.get(received_id)

    def find(self, wanted: Filter) -> Iterator[Received]:
        """Matching messages, newest first."""
        return (m for m in reversed(self._messages.values()) if wanted.accepts(m))

    def count(self, wanted: Filter) -> int:
        """How many kept messages match."""
        if wanted == Filter():
            return len(self._messages)
        return sum(1 for _ in self.find(wanted))

    def arrivals(self, after: int = 0) -> list[bytes]:
        """JSON lines `{n, key, recipient, vendor, received_at}`, oldest first, `n` > `after`."""
        first = self._arrived - len(self._arrivals)
        lines = list(self._arrivals)
        return lines[max(0, after - first) :]

    def delete(self, received_id: str) -> bool:
        """Forget one message; its arrival stays counted. False if there is none of this id."""
        if received_id not in self._messages:
            return False
        self._forget(received_id)
        if self._journal is not None:
            self._journal.append({"deleted": received_id})
        return True

    def clear(self) -> None:
        """Forget every message and arrival."""
        self._messages.clear()
        self._arrivals.clear()
        self._bytes = self._arrived = 0
        if self._journal is not None:
            self._journal.clear()

    def close(self) -> None:
        """Release the file on disk; the next message opens it again."""
        if self._journal is not None:
            self._journal.close()

    def _keep(self, message: Received) -> None:
        self._sequence += 1
        message.sequence = self._sequence
        self._messages[message.id] = message
        self._bytes += len(message.raw)
        while len(self._messages) > self._max_messages or self._bytes > self._max_bytes:
            self._forget(next(iter(self._messages)))
        for recipient in message.recipients:
            self._arrived += 1
            entry = {
                "n": self._arrived,
                "key": message.key,
                "recipient": recipient,
                "vendor": message.vendor,
                "received_at": message.received_at,
            }
            self._arrivals.append(_encode(entry).encode() + b"\n")

    def _forget(self, received_id: str) -> None:
        self._bytes -= len(self._messages.pop(received_id).raw)

    def _load(self, journal: Journal) -> None:
        for record, raw in journal.records():
            deleted = record.get("deleted")
            if isinstance(deleted, str) and deleted in self._messages:
                self._forget(deleted)
            message = _received(record, raw)
            if message is not None and message.id not in self._messages:
                self._keep(message)


def _record(message: Received) -> dict[str, Any]:
    return {
        "id": message.id,
        "vendor": message.vendor,
        "key": message.key,
        "sender": message.sender,
        "recipients": message.recipients,
        "received_at": message.received_at,
        "account": message.account,
    }


def _received(record: dict[str, Any], raw: bytes) -> Received | None:
    try:
        return _KNOWN.validate_python({**record, "raw": raw})
    except ValidationError:
        return None
