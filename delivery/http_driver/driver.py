"""The base class: from a message to what became of it."""

from __future__ import annotations

import os
import threading
import time
import weakref
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import Any, ClassVar

import requests

from delivery.driver import (
    Account,
    Answer,
    Driver,
    Failed,
    Fault,
    Message,
    Missing,
    Sent,
    Unknown,
    described,
)
from delivery.http_driver.complaint import Complaint, Meanings
from delivery.http_driver.retry_after import retry_after
from delivery.http_driver.wire import Call, Reply, Unsendable
from hiram.lib.excerpt import excerpt
from hiram.lib.http import NotSent, Refused, deadline, session
from hiram.lib.web_address import refusal

ACCOUNTS = 256
CONNECTIONS = 32
IDLE_SECONDS = 60.0

_WAITS = (Fault.TRANSIENT, Fault.THROTTLED)

_drivers: weakref.WeakSet[HttpDriver] = weakref.WeakSet()


@dataclass(slots=True)
class _Line:
    """What is kept of an account between calls."""

    session: requests.Session
    opened: Any
    used_at: float = 0.0


class HttpDriver(Driver):
    """Base of the drivers that hand a message over in one HTTP request."""

    gives_receipts: ClassVar[bool] = False
    takes_idempotency_key: ClassVar[bool] = False
    max_per_second: ClassVar[float | None] = None

    error_code: ClassVar[str] = "code"
    error_text: ClassVar[str] = "message"
    """The members of the vendor's error object, if its errors are as simple as that."""

    faults: ClassVar[Mapping[str, Fault | None]] = {}
    """By the vendor's own code; None where the message may have been taken."""

    hints: ClassVar[Mapping[str, Fault]] = {}
    """By regular expressions over the vendor's text, for what would else be bad content."""

    refuses_with_5xx: ClassVar[bool] = True
    """Whether the vendor's own error with a 5xx status means that it did not take the message."""

    def __init__(self) -> None:
        self._meanings = Meanings(self.faults, self.hints, self.refuses_with_5xx)
        self._forget()
        _drivers.add(self)

    def _forget(self) -> None:
        """Start with no connection; in a forked child those there are belong to its parent."""
        self._lock = threading.Lock()
        self._lines: OrderedDict[tuple[str, str], _Line] = OrderedDict()

    @classmethod
    def check(cls, settings: Any, credentials: Any) -> list[tuple[str, str]]:
        """See `Driver.check`: the address of the API, where it is not the vendor's."""
        address = settings.api_url
        declared = (item.default for item in fields(settings) if item.name == "api_url")
        if not address or address in declared:
            return []
        text = refusal(address)
        return [("api_url", text)] if text else []

    def opened(self, account: Account) -> Any:
        """What is made once an account, and given to every `call`."""
        return None

    @abstractmethod
    def call(self, opened: Any, account: Account, message: Message) -> Call:
        """The request that sends `message`. Raises Unsendable."""

    @abstractmethod
    def taken(self, call: Call, reply: Reply, message: Message) -> Answer:
        """What a 2xx answer says."""

    def asking(self, account: Account, message: Message) -> Call:
        """The request that asks for `message`, where the class `looks_up`."""
        raise NotImplementedError

    def found(self, reply: Reply, message: Message) -> Answer | Missing:
        """What a 2xx answer to that says."""
        raise NotImplementedError

    def complaint(self, reply: Reply) -> Complaint | None:
        """The vendor's own error in `reply`; None when it is somebody else's answer.

        It may take the answer apart without looking first.
        """
        text = reply.get(self.error_text)
        if not isinstance(text, str):
            return None
        return Complaint(text, str(reply.get(self.error_code) or ""))

    def send(self, account: Account, message: Message, *, timeout: float) -> Answer:
        """See `Driver.send`."""
        secrets = _secrets(account.credentials)
        try:
            line, call = self._composed(account, message)
            secrets.append(call.headers.get("Authorization", "").rpartition(" ")[2])
            answer = self._exchange(line.session, call, message, timeout)
        except Unsendable as error:
            answer = Failed(error.fault, str(error))
        return replace(answer, detail=excerpt(answer.detail, secrets=secrets))

    def look_up(self, account: Account, message: Message, *, timeout: float) -> Answer | Missing:
        """See `Driver.look_up`. Whatever is not a clear answer is to be asked for again."""
        try:
            call = self.asking(account, message)
            with deadline(timeout):
                line = self._line(account).session
                reply = Reply(line.get_adapter(call.url).send(call.prepared()))
            if 200 <= reply.status < 300:
                return self.found(reply, message)
            said = f"HTTP {reply.status}"
        except Exception as error:
            said = type(error).__name__
        text = f"the provider may have it, and could not be asked ({said})"
        return Failed(Fault.TRANSIENT, text)

    def payload(self, account: Account, message: Message) -> bytes:
        """The body that `send` would hand over; nothing for a message that has none.

        It is composed without credentials and without `attempt_id`, so it is the same on every
        try.
        """
        names = (item.name for item in fields(account.credentials))
        blank = {name: type(getattr(account.credentials, name))() for name in names}
        bare = replace(
            account,
            revision=f"{account.revision} without secrets",
            credentials=replace(account.credentials, **blank),
        )
        try:
            return self._composed(bare, replace(message, attempt_id=""))[1].body
        except Unsendable:
            return b""

    def close(self) -> None:
        """See `Driver.close`; those in use close after it."""
        with self._lock:
            lines, self._lines = list(self._lines.values()), OrderedDict()
        for line in lines:
            line.session.close()

    def refused(self, reply: Reply) -> Answer:
        """What an answer says that is not the vendor's yes."""
        try:
            complaint = self.complaint(reply)
        except (AttributeError, IndexError, KeyError, TypeError):
            complaint = None
        code = str(reply.status)
        if complaint is None:
            said = f"HTTP {code}, not in the provider's own words: {reply.text}"
        else:
            said = ": ".join(filter(None, (complaint.code, complaint.text)))
        fault = self._meanings.fault(reply.status, complaint)
        if fault is None:
            return Unknown(said, code)
        return Failed(fault, said, retry_after(reply.headers) if fault in _WAITS else None, code)

    def _composed(self, account: Account, message: Message) -> tuple[_Line, Call]:
        line = self._line(account)
        try:
            return line, self.call(line.opened, account, message)
        except Unsendable:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise Unsendable(f"no request can be made of it ({kind})") from None

    def _exchange(
        self, line: requests.Session, call: Call, message: Message, timeout: float
    ) -> Answer:
        request = call.prepared()
        status = ""
        try:
            with deadline(timeout):
                reply = Reply(line.get_adapter(call.url).send(request))
            status = str(reply.status)
            answer = self._read(call, reply, message)
        except Refused as error:
            return Failed(Fault.BAD_ACCOUNT, str(error))
        except NotSent as error:
            return Failed(Fault.TRANSIENT, str(error))
        except Exception as error:  # the request may have been taken
            kind = type(error).__name__
            return Unknown(f"the answer was lost or cannot be read ({kind})", status)
        return answer

    def _read(self, call: Call, reply: Reply, message: Message) -> Answer:
        if not 200 <= reply.status < 300:
            return self.refused(reply)
        answer = self.taken(call, reply, message)
        if isinstance(answer, Sent):
            return replace(answer, payload_sha256=sha256(call.body).hexdigest())
        return answer

    def _line(self, account: Account) -> _Line:
        """The account's connections, kept for the accounts that were used last and lately."""
        key = (account.id, account.revision)
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = self._new_line(account)
            line.used_at = time.monotonic()
            self._lines.move_to_end(key)
            surplus = list(self._surplus(line.used_at))
        for old in surplus:
            old.session.close()
        return line

    def _surplus(self, now: float) -> Iterator[_Line]:
        while True:
            key, oldest = next(iter(self._lines.items()))
            if len(self._lines) <= ACCOUNTS and now - oldest.used_at <= IDLE_SECONDS:
                return
            del self._lines[key]
            yield oldest

    def _new_line(self, account: Account) -> _Line:
        try:
            opened = self.opened(account)
        except Exception as error:
            detail = f"the account cannot be opened ({type(error).__name__})"
            raise Unsendable(detail, Fault.BAD_ACCOUNT) from None
        return _Line(session(connections=CONNECTIONS), opened)


def endpoint(default: str | None = None) -> Any:
    """The declared field `api_url`: the vendor's own address where it has one for everybody."""
    return described(
        "API address",
        help="For another region, a private installation or a test double.",
        default=default,
        required=default is None,
    )


def _secrets(credentials: Any) -> list[str]:
    """What must not be in an answer; the longest first, as one may be a part of another."""
    values = (getattr(credentials, item.name) for item in fields(credentials))
    return sorted((value for value in values if isinstance(value, str)), key=len, reverse=True)


def _forked() -> None:
    for driver in list(_drivers):
        driver._forget()


os.register_at_fork(after_in_child=_forked)
