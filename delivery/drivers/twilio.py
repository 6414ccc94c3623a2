"""Twilio Programmable Messaging (https://www.twilio.com/docs/messaging/api/message-resource).

Errors are `{"code", "message", "more_info", "status"}`, codes from the Error and Warning
Dictionary (https://www.twilio.com/docs/api/errors). Sending a message is not idempotent and
takes no key: a 5xx may have been taken, a 429 and a 503 were not processed (error 20500, and
"Twilio API responses").
"""

from __future__ import annotations

import contextlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from delivery.driver import (
    Account,
    Answer,
    Failed,
    Fault,
    Forged,
    Kind,
    Message,
    Missing,
    Report,
    Request,
    Sent,
    Unreadable,
    described,
)
from delivery.http_driver import Call, HttpDriver, Reply, Unsendable, basic, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Declared settings."""

    account_sid: str = described("Account SID")
    from_number: str = described(
        "From number", help="In E.164 form, or a sender name.", required=False, default=""
    )
    messaging_service_sid: str = described(
        "Messaging service SID", help="Instead of a number.", required=False, default=""
    )
    allowed_from: tuple[str, ...] = described(
        "Further senders",
        help="Numbers and names that a notification may name as sender.",
        required=False,
        default=(),
    )
    api_url: str = endpoint("https://api.twilio.com/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets: the account's token, or an API key and its secret."""

    auth_token: str = described("Auth token", required=False, default="")
    api_key_sid: str = described("API key SID", required=False, default="")
    api_key_secret: str = described("API key secret", required=False, default="")


# https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("queued", "accepted", "scheduled", "sending", "sent"), Kind.ACCEPTED),
    "delivered": Kind.DELIVERED,
    "undelivered": Kind.BOUNCED,
    "failed": Kind.BOUNCED,
    "read": Kind.OPENED,
    "canceled": Kind.REJECTED,
}
HARD = ("21211", "21614", "30005", "30006")  # invalid, no mobile, unknown, a landline
FIELDS = 200
_HERE = ("localhost", "127.0.0.1", "::1")


class Twilio(HttpDriver):
    """Text messages through Twilio."""

    channel = "sms"
    label = "Twilio"
    settings = Settings
    credentials = Credentials
    refuses_with_5xx = False
    looks_up = True
    gives_receipts = True
    faults = {
        **dict.fromkeys(
            (
                "21211",  # invalid To number
                "21214",  # To cannot be reached
                "21217",  # does not appear to be valid
                "21604",  # To is required
                "21610",  # has unsubscribed
                "21612",  # not reachable from this sender
                "21614",  # not a mobile number
                "21635",  # a landline
                "30003",  # unreachable
                "30005",  # unknown
                "30006",  # landline or unreachable carrier
            ),
            Fault.BAD_ADDRESS,
        ),
        **dict.fromkeys(
            (
                "10001",  # account is not active
                "10002",  # not for trial accounts
                "20003",  # authentication
                "20005",  # account is not active
                "20006",  # access denied
                "20008",  # not with test credentials
                "20403",
                "20404",  # no such account
                "21212",  # invalid From number
                "21213",  # From is required
                "21408",  # region is not enabled
                "21603",  # From or a messaging service is required
                "21606",  # From is not one of the account's
                "21607",
                "21608",  # trial account, To is not verified
                "21616",  # From matches several numbers
                "21657",  # sender name is invalid
                "21659",  # From is not a Twilio number
                "21660",  # From is another account's
                "21661",  # From cannot send SMS
                "21701",  # messaging service: none, unavailable, without a number, invalid
                "21702",
                "21703",
                "21704",
                "21705",
                "30002",  # account suspended
            ),
            Fault.BAD_ACCOUNT,
        ),
        **dict.fromkeys(
            ("14107", "20429", "21611", "30001", "30022", "63038"), Fault.THROTTLED
        ),  # send rate, concurrency, full queue of the number, queue overflow, carrier, daily
        **dict.fromkeys(("21602", "21605", "21617", "21618", "21619", "30007"), Fault.BAD_CONTENT),
    }

    @classmethod
    def check(cls, settings: Settings, credentials: Credentials) -> list[tuple[str, str]]:
        """Besides the address of the API: there is a sender, and something to log in with."""
        errors = super().check(settings, credentials)
        if not (settings.from_number or settings.messaging_service_sid):
            errors.append(("from_number", "A number or a messaging service is needed."))
        if not (
            credentials.auth_token or (credentials.api_key_sid and credentials.api_key_secret)
        ):
            errors.append(("auth_token", "An auth token or an API key is needed."))
        return errors

    def call(self, opened: Any, account: Account, message: Message) -> Call:
        """The form of one message. Raises Unsendable."""
        settings = account.settings
        form = {"To": message.recipient, "Body": message.text}
        sender = message.sender or settings.from_number
        if sender:
            form["From"] = sender
        if settings.messaging_service_sid:
            form["MessagingServiceSid"] = settings.messaging_service_sid
        elif not sender:
            raise Unsendable("no sender: neither a number nor a service", Fault.BAD_ACCOUNT)
        if _can_call_back(account):
            echo = urlencode({"attempt": message.attempt_id}) if message.attempt_id else ""
            form["StatusCallback"] = "?".join(filter(None, (account.callback_url, echo)))
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = _headers(account) | form_type
        return Call(_messages(account), headers, urlencode(form).encode())

    def asking(self, account: Account, message: Message) -> Call:
        """The list of messages to this recipient since the day it was accepted (in UTC, as
        `DateSent>=` counts days)."""
        since = message.at.astimezone(UTC).date().isoformat()
        query = urlencode({"To": message.recipient, "DateSent>": since, "PageSize": 200})
        return Call(f"{_messages(account)}?{query}", _headers(account), b"", method="GET")

    def found(self, reply: Reply, message: Message) -> Answer | Missing:
        """The first with the same text that was made after it was accepted."""
        for one in reply.get("messages") or ():
            made = parsedate_to_datetime(str(one.get("date_created")))
            is_same = one.get("body") == message.text and one.get("to") == message.recipient
            if is_same and made >= message.at.replace(microsecond=0):
                return Sent(str(one.get("sid")), str(reply.status), detail="found there")
        return Missing()

    def receipts(self, account: Account, request: Request) -> list[Report] | Forged | Unreadable:
        """One change of one message's status, signed with the auth token.

        An account of an API key alone has no token to check it by.
        """
        try:
            form = parse_qsl(
                request.body.decode(),
                keep_blank_values=True,
                max_num_fields=FIELDS,
                errors="strict",
            )
        except ValueError:
            return Unreadable("the form is none")
        if token := account.credentials.auth_token:
            given = request.headers.get("x-twilio-signature", "").encode()
            if not hmac.compare_digest(given, _signature(token, request.url, form)):
                return Forged("the signature is missing or wrong")
        said = dict(form)
        sid, kind = said.get("MessageSid"), KINDS.get(said.get("MessageStatus", ""))
        if not sid or said.get("AccountSid") != account.settings.account_sid:
            return Unreadable("no message of this account")
        if kind is None:
            return []
        code = said.get("ErrorCode", "")
        return [
            Report(
                kind,
                sid,
                dict(parse_qsl(request.query)).get("attempt", ""),
                f"{sid} {said['MessageStatus']}",
                None,
                said.get("To", ""),
                code in HARD,
                code,
                said.get("ErrorMessage", ""),
                request.body.decode(),
            )
        ]

    def taken(self, call: Call, reply: Reply, message: Message) -> Answer:
        """Its SID, unless it failed at once."""
        sid = reply.get("sid")
        if not isinstance(sid, str):
            return self.refused(reply)
        if reply.get("status") in ("failed", "undelivered"):
            code = str(reply.get("error_code") or "")
            text = f"{code}: {reply.get('error_message') or 'failed at once'}"
            return Failed(self.faults.get(code) or Fault.BAD_CONTENT, text, code=str(reply.status))
        return Sent(sid, str(reply.status))


def _signature(token: str, url: str, form: list[tuple[str, str]]) -> bytes:
    """Of the address called and the form's fields by name
    (https://www.twilio.com/docs/usage/security#validating-requests)."""
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    return b64encode(hmac.digest(token.encode(), signed.encode(), "sha1"))


def _can_call_back(account: Account) -> bool:
    """Whether we have an address that it can call; it refuses a message with one of this machine."""
    own = urlsplit(account.callback_url).hostname
    if own not in _HERE:
        return bool(own)
    with contextlib.suppress(ValueError):  # of an address that is none, as is said later
        return urlsplit(account.settings.api_url).hostname in _HERE
    return False


def _messages(account: Account) -> str:
    sid = quote(account.settings.account_sid, safe="")
    return f"{account.settings.api_url.rstrip('/')}/2010-04-01/Accounts/{sid}/Messages.json"


def _headers(account: Account) -> dict[str, str]:
    secrets = account.credentials
    user = secrets.api_key_sid or account.settings.account_sid
    password = secrets.api_key_secret if secrets.api_key_sid else secrets.auth_token
    return {"Authorization": basic(user, password), "Accept": "application/json"}
