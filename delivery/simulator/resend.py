"""Resend's wire format (https://resend.com/docs/api-reference): send one e-mail, send a batch.

API keys are any `re_...`; one that begins with `re_invalid` is refused as Resend refuses an
unknown key.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any
from uuid import uuid4

from delivery.simulator import callbacks, outcome
from delivery.simulator.faults import Faults
from delivery.simulator.idempotency import Entry, Keys, fingerprint
from delivery.simulator.mailbox import Mailbox, Received
from delivery.simulator.orders import Order
from delivery.simulator.web import Request, Response, answer

# https://resend.com/docs/api-reference/errors
STATUSES: Mapping[str, int] = {
    "invalid_idempotency_key": 400,
    "validation_error": 422,
    "missing_api_key": 401,
    "restricted_api_key": 401,
    "invalid_api_key": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "invalid_idempotent_request": 409,
    "concurrent_idempotent_requests": 409,
    "invalid_attachment": 422,
    "invalid_from_address": 422,
    "missing_required_field": 422,
    "monthly_quota_exceeded": 429,
    "daily_quota_exceeded": 429,
    "rate_limit_exceeded": 429,
    "security_error": 451,
    "application_error": 500,
    "internal_server_error": 500,
}
MAX_RECIPIENTS = 50
MAX_BATCH = 100
# Requests a second, https://resend.com/docs/api-reference/rate-limit
RATE_LIMIT = 2

_ADDRESS = re.compile(r"[^\s@<>,;\"()]+@[^\s@<>,;\"()]+\.[^\s@<>,;\"().]+")
_LISTS = ("to", "cc", "bcc", "reply_to")


class Refused(Exception):
    """Resend's error answer `name`."""

    def __init__(self, name: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.status = status or STATUSES.get(name, 400)

    def response(self) -> Response:
        """The answer on the wire."""
        value = {"statusCode": self.status, "name": self.name, "message": self.message}
        return answer(self.status, value)


@dataclass(frozen=True, slots=True)
class _Email:
    fields: Mapping[str, Any]
    sender: str
    recipients: tuple[str, ...]

    @property
    def subject(self) -> str:
        return self.fields.get("subject") or ""


class Resend:
    """Resend's cloud: what it takes is put into the mailbox."""

    def __init__(self, mailbox: Mailbox, faults: Faults, caller: callbacks.Caller) -> None:
        self._mailbox = mailbox
        self._faults = faults
        self._caller = caller
        self.keys = Keys()

    def gate(self) -> Response | None:
        """What happens to a request before it is read."""
        refused = self._faults.take("resend", "refuse")
        return Response(cut=True) if refused else None

    def answer(self, request: Request, path: str) -> Response:
        """Answer a request to `path` under Resend's root."""
        try:
            account = _account(request.headers)
            if path not in ("/emails", "/emails/batch"):
                raise Refused("not_found", "The requested endpoint does not exist")
            if request.method != "POST":
                raise Refused("method_not_allowed", "Method is not allowed for the requested path")
            return self._send(request, account, batch=path.endswith("/batch"))
        except Refused as refused:
            return refused.response()

    def _send(self, request: Request, account: str, *, batch: bool) -> Response:
        value = _parse(request.body)
        emails = _batch(value) if batch else [_email(value)]
        fault = self._fault(emails)
        if fault is not None and not outcome.takes(fault):
            return _fault_response(fault)
        entry, replay = self._recall(request.headers.get("idempotency-key"), account, value)
        if replay is not None:
            return outcome.given(replay, fault)
        key = request.headers.get("idempotency-key") or ""
        ids = [{"id": self._take(e, key, fault)} for e in emails]
        given = {"data": ids} if batch else ids[0]
        response = outcome.given(answer(200, given), fault)
        if entry is not None:
            response.done = lambda: setattr(entry, "answer", given)
        return response

    def _fault(self, emails: list[_Email]) -> Order | None:
        recipients = [recipient for email in emails for recipient in email.recipients]
        subjects = "\n".join(email.subject for email in emails)
        return self._faults.take("resend", "", recipients, lambda: subjects)

    def _recall(
        self, key: str | None, account: str, value: Any
    ) -> tuple[Entry | None, Response | None]:
        """A new entry for the key, or the answer that it has already been given."""
        if key is None:
            return None, None
        if not 1 <= len(key) <= 256:
            raise Refused("invalid_idempotency_key", "The key must be between 1-256 chars.")
        now, print_ = time.monotonic(), fingerprint(json.dumps(value, sort_keys=True).encode())
        entry = self.keys.find(account, key, at=now)
        if entry is None:
            return self.keys.start(account, key, print_, at=now), None
        if entry.fingerprint != print_:
            raise Refused(
                "invalid_idempotent_request",
                "Same idempotency key used with a different request payload.",
            )
        if entry.answer is None:
            raise Refused(
                "concurrent_idempotent_requests",
                "Same idempotency key used while original request is still in progress.",
            )
        return None, answer(200, entry.answer)

    def _take(self, email: _Email, key: str, fault: Order | None) -> str:
        raw = json.dumps(email.fields, separators=(",", ":")).encode()
        ids = [str(uuid4()) for _ in range(2 if outcome.twice(fault) else 1)]
        for email_id in ids:
            message = Received(
                id=email_id,
                vendor="resend",
                key=key or _key_in_headers(email.fields) or email_id,
                sender=email.sender,
                recipients=email.recipients,
                received_at=time.time(),
                raw=raw,
            )
            self._mailbox.add(message)
            if fault is not None and fault.callbacks is not None:
                self._caller.make(fault.callbacks, callbacks.resend(fault.callbacks, message))
        return ids[0]


def _account(headers: Mapping[str, str]) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Refused("missing_api_key", "Missing API Key")
    if not key.startswith("re_") or key.startswith("re_invalid"):
        raise Refused("invalid_api_key", "API key is invalid")
    return key


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused("validation_error", "The request body is not valid JSON.", 400) from error


def _batch(value: Any) -> list[_Email]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_BATCH:
        raise Refused("validation_error", f"Expected an array of 1 to {MAX_BATCH} emails.")
    return [_email(item) for item in value]


def _email(value: Any) -> _Email:
    """Check one e-mail as Resend documents it. Raises `Refused`."""
    if not isinstance(value, dict):
        raise Refused("validation_error", "Expected an object.")
    for name in ("from", "to", "subject"):
        if not value.get(name):
            raise Refused("missing_required_field", f"Missing `{name}` field.")
    if not any(value.get(name) for name in ("html", "text", "template")):
        raise Refused("missing_required_field", "Missing `html` or `text` field.")
    sender = _addresses("from", value["from"])
    if len(sender) != 1:
        raise Refused("invalid_from_address", "Invalid `from` field.")
    lists = {name: _addresses(name, value.get(name)) for name in _LISTS}
    if len(lists["to"]) > MAX_RECIPIENTS:
        raise Refused("validation_error", f"The `to` field has more than {MAX_RECIPIENTS} items.")
    _check_texts(value)
    _check_attachments(value.get("attachments"))
    recipients = (*lists["to"], *lists["cc"], *lists["bcc"])
    return _Email(value, sender[0], recipients)


def _addresses(name: str, value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value] if value else []
    found = [parseaddr(item)[1] if isinstance(item, str) else "" for item in items]
    if not all(_ADDRESS.fullmatch(address) for address in found):
        raise Refused(
            "validation_error",
            f"Invalid `{name}` field. The email address needs to follow the "
            "`email@example.com` or `Name <email@example.com>` format.",
        )
    return found


def _check_texts(value: Mapping[str, Any]) -> None:
    for name in ("subject", "html", "text", "scheduled_at"):
        if not isinstance(value.get(name) or "", str):
            raise Refused("validation_error", f"The `{name}` field must be a `string`.")
    headers = value.get("headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise Refused("validation_error", "The `headers` field must be an object of strings.")


def _check_attachments(value: Any) -> None:
    items = value if isinstance(value, list) else [] if value is None else [None]
    for item in items:
        if not isinstance(item, dict) or not (item.get("content") or item.get("path")):
            raise Refused(
                "invalid_attachment", "Attachment must have either a `content` or `path`."
            )


def _key_in_headers(fields: Mapping[str, Any]) -> str:
    for name, value in (fields.get("headers") or {}).items():
        if name.lower() == "message-id":
            return str(value).strip("<> ").partition("@")[0]
    return ""


def _fault_response(order: Order) -> Response:
    """The answer of a fault with which nothing is taken."""
    if order.kind == "drop":
        return Response(cut=True)
    if order.kind == "gateway":
        return outcome.gateway(order)
    throttled = order.kind == "throttle"
    name = str(order.code or ("rate_limit_exceeded" if throttled else "application_error"))
    message = order.message or "This error was ordered from the simulator."
    response = Refused(name, message, 429 if throttled else order.status).response()
    if throttled:
        reset = f"{order.retry_after or 1:g}"
        limits = {"limit": str(RATE_LIMIT), "remaining": "0", "reset": reset}
        response.headers |= {f"ratelimit-{name}": value for name, value in limits.items()}
    outcome.ask_to_wait(response, order, default=1 if throttled else None)
    return response
