"""What e-mail drivers over anymail share: anymail composes and reads, Hiram sends.

Of anymail is used what it is best at: turning a message into a vendor's request and a vendor's
yes into a status for each recipient. Its own sending is not: the request goes out through
`delivery.http_driver`, guarded, once and in time, and errors are read there.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import urlencode

from anymail.exceptions import AnymailInvalidAddress, AnymailUnsupportedFeature
from anymail.message import AnymailMessage, AnymailRecipientStatus
from anymail.utils import parse_single_address
from urllib3.filepost import encode_multipart_formdata

from delivery.anymail_receipts import AnymailReceipts
from delivery.driver import (
    Account,
    Answer,
    Copy,
    Failed,
    Fault,
    Message,
    Sent,
    Unknown,
    described,
)
from delivery.http_driver import Call, HttpDriver, Reply, Unsendable, basic

MAX_KEY = 256

# Dot-atoms (RFC 5322, section 3.4.1): what needs no parser. Everything else gets one.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", re.ASCII)
_OURS = frozenset({"Message-Id", "Date"})
_YES = ("sent", "queued")

_building = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """The declared settings of every e-mail driver over HTTP, besides its vendor's own."""

    from_email: str = described("From address")
    from_name: str = described("From name", required=False, default="")
    allowed_from: tuple[str, ...] = described(
        "Further senders",
        help="Addresses, or @domain for a whole domain, that a notification may name as sender.",
        required=False,
        default=(),
    )


_NOT_THE_BACKENDS = {item.name for item in fields(MailSettings)} | {"webhook_secret"}


class AnymailDriver(AnymailReceipts, HttpDriver):
    """Base of the drivers over anymail's backends."""

    channel: ClassVar[str] = "email"
    gives_receipts: ClassVar[bool] = True

    backend: ClassVar[Any]
    """Anymail's backend class. Its options are the declared fields, by name, and `options`."""

    options: ClassVar[Mapping[str, Any]] = {}

    own_headers: ClassVar[tuple[str, ...]] = ()
    """Which of Message-ID and Date the vendor takes from its customers."""

    takes_metadata: ClassVar[bool] = True

    idempotency_header: ClassVar[str] = ""

    statuses: ClassVar[Mapping[str, Fault]] = {
        "invalid": Fault.BAD_ADDRESS,
        "rejected": Fault.BAD_ADDRESS,
        "failed": Fault.BAD_CONTENT,
    }
    """What anymail's statuses of a recipient mean when they are no yes."""

    @classmethod
    def check(cls, settings: Any, credentials: Any) -> list[tuple[str, str]]:
        """See `Driver.check`: besides the API's address, the senders are addresses."""
        wrong = super().check(settings, credentials)
        senders = [("allowed_from", sender) for sender in settings.allowed_from]
        for name, sender in [("from_email", settings.from_email), *senders]:
            whole_domain = name == "allowed_from" and sender.startswith("@")
            if not _is_address(f"anyone{sender}" if whole_domain else sender):
                wrong.append((name, "This is not an e-mail address."))
        return wrong

    def opened(self, account: Account) -> Any:
        """The backend: built once an account, used by any number of threads."""
        with _building, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for SendGrid: anymail does not test it any more
            return self.backend(**self.backend_options(account))

    def backend_options(self, account: Account) -> dict[str, Any]:
        """Every option of the backend, so that it looks for none in Django's settings."""
        options: dict[str, Any] = dict(self.options)
        for declared in (account.settings, account.credentials):
            for item in fields(declared):
                if item.name not in _NOT_THE_BACKENDS:
                    options[item.name] = getattr(declared, item.name) or None
        return options

    def call(self, opened: Any, account: Account, message: Message) -> Call:
        """The request as anymail composes it. Raises Unsendable."""
        try:
            mail = self._mail(opened, account, message)
            payload = opened.build_message_payload(mail, {})
            call = self.request(opened, payload, account)
        except (AnymailInvalidAddress, AnymailUnsupportedFeature) as error:
            raise Unsendable(str(error)) from None
        if self.idempotency_header:
            headers = {**call.headers, self.idempotency_header: _key(message)}
            return replace(call, headers=headers)
        return call

    def request(self, opened: Any, payload: Any, account: Account) -> Call:
        """Anymail's payload as a request."""
        params = payload.get_request_params(opened.api_url)
        headers = dict(params["headers"] or {})
        if params["auth"]:
            headers["Authorization"] = basic(*params["auth"])
        body, content_type = _encoded(params["data"], params["files"])
        headers.setdefault("Content-Type", content_type)
        return Call(params["url"], headers, body, (opened, payload))

    def taken(self, call: Call, reply: Reply, message: Message) -> Answer:
        """The status of the recipient decides; those of cc and bcc are told along."""
        opened, payload = call.context
        try:
            answer = self.for_anymail(reply)
            found = opened.parse_recipient_status(answer, payload, payload.message)
            found = {address.lower(): status for address, status in found.items()}
        except Exception:  # anymail takes answers apart without looking first
            return self.refused(reply)
        own = _status(message.recipient, found, opened)
        if own is None and len(found) == 1 and not (message.cc or message.bcc):
            own = next(iter(found.values()))
        code = str(reply.status)
        if own is not None and own.status in _YES:
            copies = _copies(message, found, opened)
            return Sent(self.message_id(own, reply), code, copies=copies)
        if own is not None and own.status in self.statuses:
            return replace(self.rejected(own, reply, message), code=code)
        return Unknown("the provider did not say what became of the recipient", code)

    def for_anymail(self, reply: Reply) -> Any:
        """The answer as the backend reads it."""
        return reply.response

    def message_id(self, status: AnymailRecipientStatus, reply: Reply) -> str:
        """What the vendor calls the message in its console and its receipts."""
        return str(status.message_id or "")

    def rejected(self, status: AnymailRecipientStatus, reply: Reply, message: Message) -> Answer:
        """What it means that the vendor took the request, but not for the recipient."""
        return Failed(self.statuses[status.status], f"{status.status}: {reply.text}")

    def _mail(self, opened: Any, account: Account, message: Message) -> Any:
        sender = message.sender or account.settings.from_email
        usual = sender == account.settings.from_email
        name = message.sender_name or (account.settings.from_name if usual else "")
        _check(sender, Fault.BAD_ACCOUNT if usual else Fault.BAD_CONTENT, opened)
        _check(message.recipient, Fault.BAD_ADDRESS, opened)
        for address in (*message.cc, *message.bcc, *filter(None, (message.reply_to,))):
            _check(address, Fault.BAD_CONTENT, opened)
        mail = AnymailMessage(
            subject=message.subject,
            body=message.text or message.html,
            from_email=_mailbox(name, sender),
            to=[message.recipient],
            cc=list(message.cc),
            bcc=list(message.bcc),
            reply_to=[message.reply_to] if message.reply_to else None,
            headers=self.headers(opened, message, sender),
            attachments=[(a.filename, a.content, a.content_type) for a in message.attachments],
        )
        if not message.text and message.html:
            mail.content_subtype = "html"
        elif message.html:
            mail.attach_alternative(message.html, "text/html")
        if self.takes_metadata and (metadata := self._metadata(message)):
            mail.metadata = metadata
        return mail

    def headers(self, opened: Any, message: Message, sender: str) -> dict[str, str]:
        """The tenant's headers, and of our own those which the vendor takes. Raises Unsendable."""
        values = (message.subject, message.sender_name, *message.headers)
        for value in (*values, *message.headers.values()):
            if "\n" in value or "\r" in value:
                raise Unsendable("a header has a line break in it")
        domain = sender.rpartition("@")[2]
        if not domain.isascii():
            domain = opened.idna_encode(domain)
        own = {
            "Message-ID": f"<{message.key}@{domain}>",
            "Date": format_datetime(message.at),
        }
        theirs = {n: v for n, v in message.headers.items() if n.title() not in _OURS}
        return theirs | {name: own[name] for name in self.own_headers}

    def _metadata(self, message: Message) -> dict[str, str]:
        """What comes back with receipts; with an idempotency key all tries have equal bodies."""
        if self.takes_idempotency_key:
            return {"key": message.key}
        return {"attempt_id": message.attempt_id} if message.attempt_id else {}


def _key(message: Message) -> str:
    if len(message.key) <= MAX_KEY:
        return message.key
    return sha256(message.key.encode()).hexdigest()


def _check(address: str, fault: Fault, opened: Any) -> None:
    """Raise Unsendable unless `address` is exactly one address."""
    if _PLAIN.fullmatch(address):
        return
    try:
        parsed = parse_single_address(address)
        parsed.format_addr_spec(idna_encode=opened.idna_encode)
    except AnymailInvalidAddress as error:
        raise Unsendable(str(error), fault) from None
    if not (parsed.username and parsed.domain):
        raise Unsendable(f"{address!r} is not an e-mail address", fault)


def _is_address(address: str) -> bool:
    try:
        parsed = parse_single_address(address)
    except AnymailInvalidAddress:
        return False
    return bool(parsed.username and parsed.domain and not parsed.display_name)


def _mailbox(name: str, address: str) -> str:
    """RFC 5322's name-addr with the name as people write it; anymail encodes it as needed."""
    if not name:
        return address
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def _status(address: str, found: Mapping[str, Any], opened: Any) -> AnymailRecipientStatus | None:
    """The status of `address`, which a vendor may write in ASCII or in other letter case."""
    status = found.get(address.lower())
    if status is None and not _PLAIN.fullmatch(address):
        parsed = parse_single_address(address)
        ascii_form = parsed.format_addr_spec(idna_encode=opened.idna_encode)
        status = found.get(parsed.addr_spec.lower()) or found.get(ascii_form.lower())
    return status


def _copies(message: Message, found: Mapping[str, Any], opened: Any) -> tuple[Copy, ...]:
    copies = []
    for address in (*message.cc, *message.bcc):
        status = _status(address, found, opened)
        said = status.status if status is not None else "unknown"
        copies.append(Copy(address, said in _YES, said))
    return tuple(copies)


def _encoded(data: Any, files: Any) -> tuple[bytes, str]:
    """A body and its type: JSON, or a form (RFC 7578 with files).

    The boundary of a form with files is made from all that it separates, so it is the same on
    every try and cannot be in it.
    """
    if isinstance(data, str):
        return data.encode(), "application/json"
    if not files:
        return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"
    parts: list[tuple[str, Any]] = []
    for name, values in data.items():
        parts += [(name, str(v)) for v in (values if isinstance(values, list) else [values])]
    parts += files
    print_ = sha256()
    for _, value in parts:
        print_.update(value[1] if isinstance(value, tuple) else value.encode())
    body, content_type = encode_multipart_formdata(parts, boundary=print_.hexdigest())
    return body, content_type
