"""The vendors' status callbacks: signed as theirs are, and late, doubled, shuffled or forged.

Resend signs as Svix does (https://docs.svix.com/receiving/verifying-payloads/how-manual), Twilio
the address and the form (https://www.twilio.com/docs/usage/security#validating-requests).
"""

from __future__ import annotations

import base64
import hmac
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Annotated, Any, Literal
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from delivery.simulator.mailbox import Received

CALL_SECONDS = 10

News = Literal[
    "accepted", "delivered", "deferred", "bounced", "soft_bounced", "complained", "rejected",
    "opened", "clicked",
]  # fmt: skip
RESEND: Mapping[str, str] = {
    "accepted": "sent", "delivered": "delivered", "deferred": "delivery_delayed",
    "bounced": "bounced", "soft_bounced": "bounced", "complained": "complained",
    "opened": "opened", "clicked": "clicked",
}  # fmt: skip
TWILIO: Mapping[str, tuple[str, str]] = {
    "accepted": ("sent", ""), "delivered": ("delivered", ""), "bounced": ("undelivered", "30005"),
    "soft_bounced": ("undelivered", "30003"), "rejected": ("canceled", ""), "opened": ("read", ""),
}  # fmt: skip


class Callbacks(BaseModel):
    """What is called back of a message that is taken. `after` and `apart` are in seconds.

    `url` is where to; Twilio's is the message's own StatusCallback unless it is given. `secret` is
    what Resend signs with; Twilio signs with the password of the request unless it is given.
    `times` is how often each is repeated, `shuffled` an order drawn with `seed`, `forged` signed
    with another secret.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    url: Annotated[str, StringConstraints(pattern="^https?://[!-~]+$")] | None = None
    secret: str | None = Field(None, repr=False, exclude=True)
    news: Annotated[list[News], Field(min_length=1, max_length=100)] = ["delivered"]
    after: float = Field(0, ge=0, le=3_600)
    apart: float = Field(0, ge=0, le=3_600)
    times: int = Field(1, ge=1, le=1_000)
    shuffled: bool = False
    seed: int | None = None
    forged: bool = False

    def calls(self) -> list[str]:
        """What is called back, in order."""
        found: list[str] = [news for news in self.news for _ in range(self.times)]
        if self.shuffled:
            random.Random(self.seed).shuffle(found)  # noqa: S311
        return found


@dataclass(frozen=True, slots=True)
class Call:
    """One request to make."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Caller:
    """Makes the calls, each order's in a thread of its own; remembers how they were answered."""

    answers: list[int] = field(default_factory=list)
    """Statuses in the order of the answers; 0 where there was none."""

    def make(self, order: Callbacks, call: Callable[[str], Call]) -> None:
        """Begin to call back; `call` makes the request of one piece of news."""
        threading.Thread(target=self._run, args=(order, call), daemon=True).start()

    def _run(self, order: Callbacks, call: Callable[[str], Call]) -> None:
        pause = threading.Event()
        pause.wait(order.after)
        for number, news in enumerate(order.calls()):
            pause.wait(order.apart if number else 0)
            asked = call(news)
            if asked.url:  # a message may name none
                self.answers.append(_made(asked))


def _made(call: Call) -> int:
    parts = urlsplit(call.url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    wire = kind(parts.netloc, timeout=CALL_SECONDS)
    try:
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        wire.request("POST", path, call.body, dict(call.headers))
        return wire.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        wire.close()


def resend(order: Callbacks, message: Received) -> Callable[[str], Call]:
    """Resend's calls about a message (https://resend.com/docs/dashboard/webhooks/event-types)."""
    names: dict[str, str] = {news: f"msg_{uuid4().hex}" for news in order.news}
    at = datetime.now(UTC).isoformat()

    def call(news: str) -> Call:
        asked = json.loads(message.raw)
        data: dict[str, Any] = {
            "email_id": message.id, "created_at": at, "from": asked["from"], "to": asked["to"],
            "subject": asked["subject"],
            "headers": [{"name": n, "value": v} for n, v in (asked.get("headers") or {}).items()],
        }  # fmt: skip
        data |= {name: asked[name] for name in ("cc", "bcc") if asked.get(name)}
        if news in ("bounced", "soft_bounced"):
            kind = "Permanent" if news == "bounced" else "Transient"
            data["bounce"] = {"type": kind, "subType": "General", "message": "It came back."}
        said = {"type": f"email.{RESEND[news]}", "created_at": at, "data": data}
        body, now = json.dumps(said).encode(), str(int(time.time()))
        signed = f"{names[news]}.{now}.".encode() + body
        key = base64.b64decode((order.secret or "").removeprefix("whsec_"))
        mac = hmac.digest(key + b"?" if order.forged else key, signed, "sha256")
        headers = {
            "content-type": "application/json",
            "svix-id": names[news],
            "svix-timestamp": now,
            "svix-signature": f"v1,{base64.b64encode(mac).decode()}",
        }
        return Call(order.url or "", body, headers)

    return call


def twilio(
    order: Callbacks, message: Received, form: Mapping[str, str], password: str
) -> Callable[[str], Call]:
    """Twilio's calls about a message."""
    url = order.url or form.get("StatusCallback", "")
    key = (order.secret or password).encode() + (b"?" if order.forged else b"")

    def call(news: str) -> Call:
        status, code = TWILIO[news]
        fields = {
            "MessageSid": message.id, "SmsSid": message.id, "AccountSid": message.account,
            "MessageStatus": status, "SmsStatus": status, "To": form.get("To", ""),
            "From": form.get("From", ""), "ApiVersion": "2010-04-01",
        } | ({"ErrorCode": code} if code else {})  # fmt: skip
        signed = url + "".join(name + fields[name] for name in sorted(fields))
        mac = base64.b64encode(hmac.digest(key, signed.encode(), "sha1")).decode()
        kind = "application/x-www-form-urlencoded"
        headers = {"content-type": kind, "x-twilio-signature": mac}
        return Call(url, urlencode(fields).encode(), headers)

    return call
