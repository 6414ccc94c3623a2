"""Twilio's wire format (https://www.twilio.com/docs/messaging/api/message-resource).

Any account SID of the documented form is taken with any token; a token that begins with `invalid`
is refused. The magic numbers are those of https://www.twilio.com/docs/iam/test-credentials, but a
`From` that is not among them is taken as owned.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlencode
from uuid import uuid4

from delivery.simulator import callbacks, outcome
from delivery.simulator.faults import Faults
from delivery.simulator.mailbox import Filter, Mailbox, Received
from delivery.simulator.orders import Order
from delivery.simulator.web import Request, Response, answer

MAX_BODY = 1_600
KEY_LENGTH = 64
PAGE_SIZE, MAX_PAGE_SIZE = 50, 1_000

# To and From numbers that fail, with their codes: the page named above.
MAGIC_TO: Mapping[str, int] = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
MAGIC_FROM: Mapping[str, int] = {
    "+15005550001": 21212,
    "+15005550007": 21606,
    "+15005550008": 21611,
}
# https://www.twilio.com/docs/api/errors
MESSAGES: Mapping[int, str] = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    21211: "Invalid 'To' Phone Number",
    21212: "Invalid 'From' Phone Number",
    21408: "Permission to send an SMS has not been enabled for the region of the 'To' number",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number is not a valid, SMS-capable number for your account",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "The 'To' phone number is not currently reachable via SMS",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21701: "The Messaging Service does not exist",
}
_STATUSES = {20003: 401, 20404: 404, 20429: 429, 20500: 500}
_PATH = re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)/Messages(?:/(?P<sid>[^/]+))?\.json")
_ACCOUNT = re.compile(r"AC[0-9a-f]{32}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
# An E.164 number, a short code, or an alphanumeric sender ID of at most 11 characters.
_SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}", re.ASCII)
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("^{}\\[~]|€\f")


class Refused(Exception):
    """Twilio's error answer `code`."""

    def __init__(self, code: int, message: str | None = None, status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or MESSAGES.get(code, "Error")
        self.status = status or _STATUSES.get(code, 400)

    def response(self) -> Response:
        """The answer on the wire."""
        value = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return answer(self.status, value)


class Twilio:
    """Twilio's cloud: what it takes is put into the mailbox."""

    def __init__(self, mailbox: Mailbox, faults: Faults, caller: callbacks.Caller) -> None:
        self._mailbox = mailbox
        self._faults = faults
        self._caller = caller

    def gate(self) -> Response | None:
        """What happens to a request before it is read."""
        refused = self._faults.take("twilio", "refuse")
        return Response(cut=True) if refused else None

    def answer(self, request: Request, path: str) -> Response:
        """Answer a request to `path` under Twilio's root."""
        try:
            found = _PATH.fullmatch(path)
            if found is None or _ACCOUNT.fullmatch(found["account"]) is None:
                raise Refused(20404, f"The requested resource {path} was not found")
            password = _authenticate(request.headers.get("authorization", ""))
            if request.method == "POST" and found["sid"] is None:
                return self._send(request, found["account"], password)
            if request.method == "GET":
                return self._show(request, found["account"], found["sid"])
            raise Refused(20004, "Method not allowed", 405)
        except Refused as refused:
            return refused.response()

    def _send(self, request: Request, account: str, password: str) -> Response:
        form = _fields(request.body.decode("utf-8", "replace"))
        _check(form)
        fault = self._faults.take("twilio", "", [form["To"]])
        if fault is not None and not outcome.takes(fault):
            return _fault_response(fault)
        copies = range(2 if outcome.twice(fault) else 1)
        taken = [self._take(request.body, form, account) for _ in copies]
        if order := fault and fault.callbacks:
            for message in taken:
                self._caller.make(order, callbacks.twilio(order, message, form, password))
        return outcome.given(answer(201, _resource(account, taken[0], sent=False)), fault)

    def _take(self, raw: bytes, form: Mapping[str, str], account: str) -> Received:
        message = Received(
            id=f"SM{uuid4().hex}",
            vendor="twilio",
            key=_key(form["Body"]) if form.get("Body") else "",
            sender=form.get("From") or form.get("MessagingServiceSid") or "",
            recipients=(form["To"],),
            received_at=time.time(),
            raw=raw,
            account=account,
        )
        self._mailbox.add(message)
        return message

    def _show(self, request: Request, account: str, sid: str | None) -> Response:
        if sid is None:
            return self._list(request, account)
        message = self._mailbox.get(sid)
        if message is None or message.account != account:
            raise Refused(20404, f"The requested resource {request.path} was not found")
        return answer(200, _resource(account, message, sent=True))

    def _list(self, request: Request, account: str) -> Response:
        query = _fields(request.query)
        size = min(_number(query, "PageSize", PAGE_SIZE) or PAGE_SIZE, MAX_PAGE_SIZE)
        page = _number(query, "Page", 0)
        found = list(self._found(query, account))
        shown = found[page * size : (page + 1) * size]
        more = len(found) > (page + 1) * size
        value = {
            "messages": [_resource(account, message, sent=True) for message in shown],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(len(shown) - 1, 0),
            "uri": _page_uri(account, query, page),
            "first_page_uri": _page_uri(account, query, 0),
            "next_page_uri": _page_uri(account, query, page + 1) if more else None,
            "previous_page_uri": _page_uri(account, query, page - 1) if page else None,
        }
        return answer(200, value)

    def _found(self, query: Mapping[str, str], account: str) -> Iterator[Received]:
        wanted = Filter(channel="sms", recipient=query.get("To"))
        for message in self._mailbox.find(wanted):
            day = datetime.fromtimestamp(message.received_at, UTC).date().isoformat()
            if (
                message.account == account
                and query.get("From") in (None, message.sender)
                and query.get("DateSent") in (None, day)
                and query.get("DateSent>", day) <= day <= query.get("DateSent<", day)
            ):
                yield message


def _authenticate(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    try:
        user, _, token = b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(20003) from None
    if scheme.lower() != "basic" or not user or not token or token.startswith("invalid"):
        raise Refused(20003)
    return token


def _fields(encoded: str) -> dict[str, str]:
    try:
        values = parse_qs(encoded, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        raise Refused(21602) from None
    return {name: value[0] for name, value in values.items()}


def _check(form: Mapping[str, str]) -> None:
    """Check a message in the order in which Twilio complains. Raises `Refused`."""
    to, sender, service = (form.get(n) or "" for n in ("To", "From", "MessagingServiceSid"))
    body = form.get("Body") or ""
    faults = (
        (21604, not to),
        (21603, not sender and not service),
        (21602, not body and not form.get("MediaUrl") and not form.get("ContentSid")),
        (21617, len(body) > MAX_BODY),
        (21701, bool(service) and _SERVICE.fullmatch(service) is None),
        (MAGIC_FROM.get(sender, 0), sender in MAGIC_FROM),
        (21212, bool(sender) and _SENDER.fullmatch(sender) is None),
        (MAGIC_TO.get(to, 0), to in MAGIC_TO),
        (21211, _E164.fullmatch(to) is None),
    )
    for code, found in faults:
        if found:
            raise Refused(code)


def _key(body: str) -> str:
    return body if len(body) <= KEY_LENGTH else hashlib.sha256(body.encode()).hexdigest()


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 7 else default


def _page_uri(account: str, query: Mapping[str, str], page: int) -> str:
    fields = urlencode({**query, "Page": page}, quote_via=quote)
    return f"/2010-04-01/Accounts/{account}/Messages.json?{fields}"


def _resource(account: str, message: Received, *, sent: bool) -> dict[str, Any]:
    form = _fields(message.raw.decode("utf-8", "replace"))
    service = form.get("MessagingServiceSid") or None
    body = form.get("Body") or ""
    date = format_datetime(datetime.fromtimestamp(message.received_at, UTC))
    uri = f"/2010-04-01/Accounts/{account}/Messages/{message.id}"
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": body,
        "date_created": date,
        "date_sent": date if sent else None,
        "date_updated": date,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From") or None,
        "messaging_service_sid": service,
        "num_media": "1" if form.get("MediaUrl") else "0",
        "num_segments": "0" if service else str(_segments(body)),
        "price": None,
        "price_unit": "USD",
        "sid": message.id,
        "status": "delivered" if sent else "accepted" if service else "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": form.get("To") or None,
        "uri": f"{uri}.json",
    }


def _segments(body: str) -> int:
    """SMS parts (3GPP TS 23.038, 23.040): 160 or 153 septets each, else 70 or 67 UTF-16 units."""
    if all(character in _GSM or character in _GSM_EXTENDED for character in body):
        length = sum(2 if character in _GSM_EXTENDED else 1 for character in body)
        whole, part = 160, 153
    else:
        length = len(body.encode("utf-16-be")) // 2
        whole, part = 70, 67
    return 1 if length <= whole else -(-length // part)


def _fault_response(order: Order) -> Response:
    """The answer of a fault with which nothing is taken."""
    if order.kind == "drop":
        return Response(cut=True)
    if order.kind == "gateway":
        return outcome.gateway(order)
    throttled = order.kind == "throttle"
    code = int(order.code or (20429 if throttled else 20500))
    response = Refused(code, order.message, 429 if throttled else order.status).response()
    outcome.ask_to_wait(response, order)
    return response
