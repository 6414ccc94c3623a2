"""Resend and Twilio as they call back, by hand: each call can be changed before it is sent."""

from __future__ import annotations

import base64
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.test import Client

from delivery.accounts import reports_to
from notifications.models import Notification
from tenants.models import Provider, Tenant

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="
SID = "AC" + "1" * 32
TOKEN = "the-auth-token"
SMS = {"channel": "sms", "recipient": "+14155550100", "body": "Your code is 1."}


def resend(tenant: Tenant, url: str, *, secret: str = SECRET, name: str = "resend") -> Provider:
    """An account at a Resend at `url`."""
    fields = {"api_url": f"{url}/resend/", "from_email": "shop@sender.example"}
    made = Provider(tenant=tenant, name=name, channel="email", driver="resend", settings=fields)
    made.seal({"api_key": "re_1", "webhook_secret": secret})
    made.save()
    return made


def twilio(tenant: Tenant, url: str, *, name: str = "twilio") -> Provider:
    """An account at a Twilio at `url`."""
    fields = {"account_sid": SID, "from_number": "+15005550006", "api_url": f"{url}/twilio"}
    made = Provider(tenant=tenant, name=name, channel="sms", driver="twilio", settings=fields)
    made.seal({"auth_token": TOKEN})
    made.save()
    return made


@dataclass(frozen=True)
class Call:
    """A callback on its way."""

    url: str
    body: bytes
    headers: dict[str, str]
    content_type: str

    def send(self, **changes: Any) -> int:
        """The status it is answered with."""
        return int(self.answer(**changes).status_code)

    def answer(self, url: str = "", body: bytes | None = None, **headers: str) -> Any:
        """The answer."""
        parts = urlsplit(url or self.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return Client(raise_request_exception=False).post(
            path,
            self.body if body is None else body,
            content_type=self.content_type,
            headers={**self.headers, **headers},
        )


def from_resend(
    provider: Provider, kind: str, email_id: str, *, key: str = "", hard: bool = False, at: int = 0
) -> Call:
    """`kind` is Resend's, without `email.`."""
    data: dict[str, Any] = {"email_id": email_id, "to": ["ada@recipient.example"]}
    if kind == "bounced":
        data["bounce"] = {"type": "Permanent" if hard else "Transient", "message": "no"}
    if key:
        data["headers"] = [{"name": "X-Metadata", "value": json.dumps({"key": key})}]
    said = {"type": f"email.{kind}", "created_at": "2026-01-02T03:04:05Z", "data": data}
    body = json.dumps(said).encode()
    secret = str(provider.open().get("webhook_secret", SECRET))
    event, at = f"msg_{email_id}_{kind}", at or int(time.time())
    signed = f"{event}.{at}.".encode() + body
    mac = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    headers = {
        "svix-id": event, "svix-timestamp": str(at),
        "svix-signature": f"v1,{base64.b64encode(mac).decode()}",
    }  # fmt: skip
    return Call(str(reports_to(provider)), body, headers, "application/json")


def from_twilio(
    provider: Provider, status: str, sid: str, *, attempt: str = "", code: str = "",
    token: str = TOKEN,
) -> Call:  # fmt: skip
    """`status` is Twilio's."""
    form = {"MessageSid": sid, "MessageStatus": status, "AccountSid": SID, "To": SMS["recipient"]}
    form |= {"ErrorCode": code} if code else {}
    url = str(reports_to(provider)) + (f"?attempt={attempt}" if attempt else "")
    signed = url + "".join(name + form[name] for name in sorted(form))
    mac = base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()
    assert url.startswith(settings.PUBLIC_URL)
    kind = "application/x-www-form-urlencoded"
    return Call(url, urlencode(form).encode(), {"X-Twilio-Signature": mac}, kind)


def vendors_id(notification: Notification) -> str:
    """What the vendor calls it."""
    notification.refresh_from_db()
    return str(notification.provider_message_id)
