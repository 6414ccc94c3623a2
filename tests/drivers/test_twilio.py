"""The Twilio driver."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from delivery.driver import Account, Driver, Failed, Message, Sent
from delivery.drivers.twilio import Twilio
from tests.drivers.over_http import (
    AT,
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    SECONDS,
    THROTTLED,
    TRANSIENT,
    UNKNOWN,
    DriverTests,
)
from tests.drivers.vendor import Asked, Canned, Vendor

ACCOUNT = "AC" + "0" * 32
SID = "SM" + "1" * 32
TEXT = Message(
    key="ntf_01",
    channel="sms",
    recipient="+14155550100",
    at=AT,
    attempt_id="att_01",
    text="Your order & bill: 100 % done, Ä",
)


def error(status: int, code: int, message: str) -> Canned:
    more = f"https://www.twilio.com/docs/errors/{code}"
    said = {"code": code, "message": message, "more_info": more, "status": status}
    return Canned(status, said)


def created(status: str = "queued", **more: Any) -> Canned:
    return Canned(201, {"sid": SID, "status": status, "to": "+14155550100", **more})


class TestTwilio(DriverTests):
    driver = Twilio
    message = TEXT
    settings = {"account_sid": ACCOUNT, "from_number": "+15005550006"}
    credentials = {"auth_token": "tw-c0ffee-secret"}
    yes = created()
    sent = Sent(SID, "201")
    answers = [
        (error(400, 21211, "Invalid 'To' Phone Number: +1415555"), BAD_ADDRESS),
        (error(400, 21217, "Phone number does not appear to be valid"), BAD_ADDRESS),
        (error(400, 21610, "Attempt to send to unsubscribed recipient"), BAD_ADDRESS),
        (error(400, 21612, "Message cannot be sent with the current combination"), BAD_ADDRESS),
        (error(400, 21614, "'To' number is not a valid mobile number"), BAD_ADDRESS),
        (error(400, 21635, "'To' number cannot be a landline"), BAD_ADDRESS),
        (error(400, 30005, "Unknown destination handset"), BAD_ADDRESS),
        (error(400, 21212, "Invalid 'From' Number"), BAD_ACCOUNT),
        (error(400, 21408, "Permission to send an SMS has not been enabled"), BAD_ACCOUNT),
        (error(400, 21603, "A 'From' phone number is required"), BAD_ACCOUNT),
        (error(400, 21606, "'From' is not a valid message-capable number"), BAD_ACCOUNT),
        (error(400, 21608, "The number is unverified"), BAD_ACCOUNT),
        (error(400, 21705, "The Messaging Service is invalid"), BAD_ACCOUNT),
        (error(400, 21602, "Message body is required"), BAD_CONTENT),
        (error(400, 21617, "Exceeds the 1600 character limit"), BAD_CONTENT),
        (error(400, 21609, "Invalid 'StatusCallback'"), BAD_CONTENT),
        (error(401, 20003, "Authenticate"), BAD_ACCOUNT),
        (error(403, 20008, "Not accessible with Test Account Credentials"), BAD_ACCOUNT),
        (error(401, 20005, "Account not active"), BAD_ACCOUNT),
        (error(404, 20404, "The requested resource was not found"), BAD_ACCOUNT),
        (error(429, 20429, "Too Many Requests"), THROTTLED),
        (error(429, 21611, "Maximum number of queued messages"), THROTTLED),
        (error(429, 14107, "SMS send rate limit exceeded"), THROTTLED),
        (error(500, 20500, "An internal server error has occurred"), UNKNOWN),
        (error(504, 20504, "Gateway Timeout"), UNKNOWN),
        (error(503, 20503, "Service Unavailable"), TRANSIENT),
        (created("failed", error_code=30005, error_message="Unknown handset"), BAD_ADDRESS),
        (created("undelivered", error_code=None, error_message=None), BAD_CONTENT),
        (Canned(201, {"status": "queued"}), UNKNOWN),
    ]

    def message_with(self, key: str = "ntf_01") -> Message:
        return replace(TEXT, key=key, attempt_id="", text=f"Order {key}")

    def check_request(self, asked: Asked) -> None:
        assert asked.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
        basic = "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDp0dy1jMGZmZWUtc2VjcmV0"
        assert asked.headers["authorization"] == basic
        assert asked.form == [
            ("To", "+14155550100"),
            ("Body", "Your order & bill: 100 % done, Ä"),
            ("From", "+15005550006"),
        ]

    def test_senders(self, made: Driver, account: Account, server: Vendor) -> None:
        """A service sends from its pool unless a sender is named; without either nothing goes."""
        service = replace(account.settings, from_number="", messaging_service_sid="MG7")
        pool = replace(account, revision="2", settings=service)
        made.send(pool, TEXT, timeout=SECONDS)
        made.send(pool, replace(TEXT, sender="ACME"), timeout=SECONDS)
        assert [asked.form[2:] for asked in server.asked] == [
            [("MessagingServiceSid", "MG7")],
            [("From", "ACME"), ("MessagingServiceSid", "MG7")],
        ]
        nobody = replace(account.settings, from_number="")
        answer = made.send(replace(account, settings=nobody), TEXT, timeout=SECONDS)
        assert isinstance(answer, Failed)
        assert answer.fault is BAD_ACCOUNT
        assert len(server.asked) == 2

    def test_api_key(self, made: Driver, account: Account, server: Vendor) -> None:
        pair = Twilio.credentials(api_key_sid="SK7", api_key_secret="key-secret")
        made.send(replace(account, credentials=pair), TEXT, timeout=SECONDS)
        assert server.asked[0].headers["authorization"] == "Basic U0s3OmtleS1zZWNyZXQ="

    def test_path(self, made: Driver, account: Account, server: Vendor) -> None:
        """An account SID cannot lead to another path."""
        settings = replace(account.settings, account_sid="../../x?y")
        made.send(replace(account, settings=settings), TEXT, timeout=SECONDS)
        assert server.asked[0].path == "/2010-04-01/Accounts/..%2F..%2Fx%3Fy/Messages.json"

    def test_check(self) -> None:
        nothing = Twilio.check(Twilio.settings(account_sid=ACCOUNT), Twilio.credentials())
        assert [name for name, _ in nothing] == ["from_number", "auth_token"]
        settings = Twilio.settings(account_sid=ACCOUNT, messaging_service_sid="MG7")
        half = Twilio.check(settings, Twilio.credentials(api_key_sid="SK7"))
        assert [name for name, _ in half] == ["auth_token"]
        assert Twilio.check(settings, Twilio.credentials(auth_token="t")) == []
