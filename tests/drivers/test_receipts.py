"""What drivers read of their vendors' calls: normal forms, signatures, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus, urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from delivery.driver import Account, Forged, Kind, Report, Request, Unreadable
from delivery.shelves import drivers
from tests.drivers.vendor import Canned, Vendor

URL = "https://hiram.example/callbacks/x/prv_1/token"
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT = int(WHEN.timestamp())
ADA = "ada@recipient.example"
SID = "SM" + "1" * 32
SETTINGS = {
    "amazon_ses": {"region": "eu-central-1"},
    "postal": {"api_url": "https://postal.example/"},
    "unisender_go": {"api_url": "https://go.example/"},
    "twilio": {"account_sid": "AC" + "1" * 32, "from_number": "+15005550006"},
}


def account(name: str, secret: str = "") -> Account:
    driver = drivers[name]
    mail = {} if name == "twilio" else {"from_email": "shop@acme.example"}
    needed = {
        item: "key"
        for item in driver.credentials.__dataclass_fields__
        if driver.credentials.__dataclass_fields__[item].metadata["required"]
    }
    if name == "twilio":
        needed = {"auth_token": secret} if secret else {"api_key_sid": "SK", "api_key_secret": "s"}
    elif secret and name != "unisender_go":
        needed["webhook_secret"] = secret
    settings = driver.settings(**mail, **SETTINGS.get(name, {}))
    return Account("prv", "1", settings, driver.credentials(**needed))


def call(body: Any, headers: dict[str, str] | None = None, query: str = "") -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = {"content-type": "application/json", **(headers or {})}
    return Request("POST", f"{URL}?{query}" if query else URL, found, query, raw)


def form(fields: dict[str, str], query: str = "", **headers: str) -> Request:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return call(urlencode(fields).encode(), {**kind, **headers}, query)


@dataclass(frozen=True)
class Case:
    driver: str
    body: Any
    report: Report
    headers: dict[str, str] = field(default_factory=dict)


def sns(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "Notification", "MessageId": "sns-1", "Timestamp": WHEN.isoformat(),
        "Message": json.dumps(event),
    }  # fmt: skip


SNS = {"x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": "sns-1"}
ECHO = {"attempt_id": "att_1"}
CASES = [
    Case(
        "amazon_ses",
        sns({
            "eventType": "Bounce", "mail": {"messageId": "m1", "destination": [ADA], "headers": [
                {"name": "X-Metadata", "value": json.dumps(ECHO)}]},
            "bounce": {"bounceType": "Permanent", "bounceSubType": "General",
                       "bouncedRecipients": [{"emailAddress": ADA, "diagnosticCode": "550 no"}]},
        }),
        Report(Kind.BOUNCED, "m1", "att_1", "sns-1", WHEN, ADA, True, "", "550 no"), SNS,
    ),
    Case(
        "brevo",
        {"event": "soft_bounce", "email": ADA, "message-id": "<m1@x>", "ts_epoch": AT * 1000,
         "reason": "full", "X-Mailin-custom": json.dumps(ECHO)},
        Report(Kind.BOUNCED, "<m1@x>", "att_1", "", WHEN, ADA, False, "", "full"),
    ),
    Case(
        "brevo",
        {"event": "hard_bounce", "email": ADA, "message-id": "<m1@x>"},
        Report(Kind.BOUNCED, "<m1@x>", "", "", None, ADA, True),
    ),
    Case(
        "mailersend",
        {"type": "activity.hard_bounced", "data": {
            "id": "e1", "type": "hard_bounced", "created_at": WHEN.isoformat(),
            "email": {"message": {"id": "m1"}, "recipient": {"email": ADA}},
            "morph": {"object": "recipient_bounce", "reason": "no such user"}}},
        Report(Kind.BOUNCED, "m1", "", "e1", WHEN, ADA, True, "", "no such user"),
    ),
    Case(
        "mailgun",
        {"signature": {"token": "t1", "timestamp": str(AT), "signature": "x"}, "event-data": {
            "event": "failed", "severity": "permanent", "reason": "bounce", "timestamp": AT,
            "recipient": ADA, "message": {"headers": {"message-id": "m1@x"}},
            "user-variables": ECHO, "delivery-status": {"message": "550 no"}}},
        Report(Kind.BOUNCED, "<m1@x>", "att_1", "t1", WHEN, ADA, True, "", "550 no"),
    ),
    Case(
        "mailjet",
        {"event": "sent", "time": AT, "MessageID": 19421777835146490, "email": ADA,
         "Payload": json.dumps(ECHO)},
        Report(Kind.DELIVERED, "19421777835146490", "att_1", "", WHEN, ADA),
    ),
    Case(
        "mailtrap",
        {"events": [{"event": "bounce", "message_id": "m1", "email": ADA, "timestamp": AT,
                     "event_id": "e1", "custom_variables": ECHO, "response": "550"}]},
        Report(Kind.BOUNCED, "m1", "att_1", "e1", WHEN, ADA, True, "", "550"),
    ),
    Case(
        "postal",
        {"event": "MessageDeliveryFailed", "timestamp": AT, "uuid": "u1",
         "payload": {"status": "HardFail", "details": "no such user", "message": {
             "id": 12, "to": ADA}}},
        Report(Kind.BOUNCED, "12", "", "u1", WHEN, ADA, True, "", "no such user"),
    ),
    Case(
        "postmark",
        {"RecordType": "Bounce", "Type": "HardBounce", "ID": 42, "MessageID": "m1", "Email": ADA,
         "BouncedAt": "2026-01-02T03:04:05Z", "Description": "unknown", "Metadata": ECHO},
        Report(Kind.BOUNCED, "m1", "att_1", "42", WHEN, ADA, True, "", "unknown"),
    ),
    Case(
        "resend",
        {"type": "email.bounced", "created_at": WHEN.isoformat(), "data": {
            "email_id": "m1", "to": [ADA], "bounce": {"type": "Permanent", "message": "no"},
            "headers": [{"name": "X-Metadata", "value": '{"key": "ntf_1"}'}]}},
        Report(Kind.BOUNCED, "m1", "ntf_1", "msg_1", WHEN, ADA, True, "", "no"),
        {"svix-id": "msg_1"},
    ),
    Case(
        "resend",
        {"type": "email.delivered", "created_at": WHEN.isoformat(), "data": {
            "email_id": "m1", "to": [ADA, "bob@recipient.example"]}},
        Report(Kind.DELIVERED, "m1", "", "msg_1", WHEN, ""),
        {"svix-id": "msg_1"},
    ),
    Case(
        "sendgrid",
        [{"event": "bounce", "type": "bounce", "email": ADA, "timestamp": AT, "reason": "550 no",
          "sg_event_id": "e1", "sg_message_id": "m1.filter-1.2.3", **ECHO}],
        Report(Kind.BOUNCED, "m1", "att_1", "e1", WHEN, ADA, True, "", "550 no"),
    ),
    Case(
        "sparkpost",
        [{"msys": {"message_event": {
            "type": "bounce", "bounce_class": "10", "transmission_id": "m1", "event_id": "e1",
            "raw_rcpt_to": ADA, "timestamp": str(AT), "rcpt_meta": ECHO, "raw_reason": "no"}}}],
        Report(Kind.BOUNCED, "m1", "att_1", "e1", WHEN, ADA, True, "", "no"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.driver}-{case.report.kind}")
def test_what_vendors_say_is_read(case: Case) -> None:
    found = drivers[case.driver].receipts(account(case.driver), call(case.body, case.headers))
    assert isinstance(found, list), found
    assert [replace(report, raw="") for report in found] == [case.report]
    assert case.report.recipient in json.dumps(json.loads(found[0].raw)), "its own form is kept"


def svix(request: Request, key: str = SECRET, *, name: str = "msg_1", at: int = 0) -> Request:
    at = at or int(time.time())
    signed = f"{name}.{at}.".encode() + request.body
    mac = hmac.digest(base64.b64decode(key), signed, "sha256")
    headers = {
        "svix-id": name, "svix-timestamp": str(at),
        "svix-signature": f"v1,{base64.b64encode(b'x' * 32).decode()} "
                          f"v1,{base64.b64encode(mac).decode()}",
    }  # fmt: skip
    return replace(request, headers={**request.headers, **headers})


def hexed(header: str) -> Callable[[Request], Request]:
    def sign(request: Request) -> Request:
        mac = hmac.digest(SECRET.encode(), request.body, "sha256").hex()
        return replace(request, headers={**request.headers, header: mac})

    return sign


def mailgun(request: Request) -> Request:
    body = json.loads(request.body)
    block = body["signature"]
    signed = f"{block['timestamp']}{block['token']}".encode()
    block["signature"] = hmac.digest(SECRET.encode(), signed, "sha256").hex()
    return replace(request, body=json.dumps(body).encode())


def unisender(request: Request) -> Request:
    body = {**json.loads(request.body), "auth": "key"}
    auth = hashlib.md5(json.dumps(body).encode(), usedforsecurity=False).hexdigest()
    return replace(request, body=json.dumps(body).replace('"key"', f'"{auth}"').encode())


def with_form_signature(header: str) -> Callable[[Request], Request]:
    def sign(request: Request) -> Request:
        pairs = sorted(part.split("=", 1) for part in request.body.decode().split("&"))
        fields = [(n, unquote_plus(v)) for n, v in pairs]
        signed = request.url + "".join(n + v for n, v in fields)
        mac = base64.b64encode(hmac.digest(SECRET.encode(), signed.encode(), "sha1")).decode()
        return replace(request, headers={**request.headers, header: mac})

    return sign


MANDRILL = form({
    "mandrill_events": json.dumps([
        {"event": "hard_bounce", "_id": "m1", "ts": AT,
         "msg": {"email": ADA, "diag": "550 no", "metadata": ECHO}}
    ])
})  # fmt: skip
TWILIO = form({
    "MessageSid": SID, "MessageStatus": "undelivered", "ErrorCode": "30005",
    "AccountSid": "AC" + "1" * 32, "To": "+14155550100", "From": "+15005550006",
}, "attempt=att_1")  # fmt: skip
UNISENDER = call({
    "auth": "key", "event_name": "transactional_email_status", "status": "hard_bounced",
    "email": ADA, "job_id": "m1", "event_time": "2026-01-02 03:04:05", "metadata": ECHO,
    "delivery_info": {"delivery_status": "err_user_unknown", "destination_response": "550 no"},
})  # fmt: skip
SIGNED: dict[str, tuple[Request, Callable[[Request], Request]]] = {
    "resend": (call(CASES[9].body), svix),
    "mailersend": (call(CASES[3].body), hexed("signature")),
    "mailtrap": (call(CASES[6].body), hexed("mailtrap-signature")),
    "mailgun": (call(CASES[4].body), mailgun),
    "mandrill": (MANDRILL, with_form_signature("x-mandrill-signature")),
    "twilio": (TWILIO, with_form_signature("x-twilio-signature")),
    "unisender_go": (UNISENDER, unisender),
}


@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_call_is_taken_and_every_other_is_forged(name: str) -> None:
    request, sign = SIGNED[name]
    driver, ours = drivers[name], account(name, SECRET)
    signed = sign(request)
    found = driver.receipts(ours, signed)
    assert isinstance(found, list), found
    assert [(report.kind, report.hard) for report in found] == [(Kind.BOUNCED, True)]
    assert isinstance(driver.receipts(ours, request), Forged), "no signature"
    changed = replace(signed, body=signed.body.replace(b"ada", b"eve").replace(b"0100", b"0101"))
    if name != "mailgun":  # which signs nothing of what happened
        assert isinstance(driver.receipts(ours, changed), Forged)
    other = replace(ours, credentials=account(name, "b3RoZXI=").credentials)
    if name != "unisender_go":
        assert isinstance(driver.receipts(other, signed), Forged)


def test_mandrill_and_twilio_sign_the_address_too() -> None:
    for name in ("mandrill", "twilio"):
        request, sign = SIGNED[name]
        moved = replace(sign(request), url="https://elsewhere.example/")
        assert isinstance(drivers[name].receipts(account(name, SECRET), moved), Forged)


@pytest.mark.parametrize("off", [-301, 330, -86_400])
def test_an_old_signature_is_no_signature(off: int) -> None:
    request = svix(SIGNED["resend"][0], at=int(time.time()) + off)
    assert isinstance(drivers["resend"].receipts(account("resend", SECRET), request), Forged)
    near = svix(SIGNED["resend"][0], at=int(time.time()) + (-290 if off < 0 else 290))
    assert isinstance(drivers["resend"].receipts(account("resend", SECRET), near), list)


@pytest.mark.parametrize("time_", ["", "-1", "1e9", "٣", "9" * 400])
def test_a_time_that_is_none(time_: str) -> None:
    request = svix(SIGNED["resend"][0])
    request = replace(request, headers={**request.headers, "svix-timestamp": time_})
    assert isinstance(drivers["resend"].receipts(account("resend", SECRET), request), Forged)


def test_postal_and_sendgrid_sign_with_a_key_of_their_own() -> None:
    own = rsa.generate_private_key(65537, 2048)
    request = call(CASES[7].body)
    mac = own.sign(request.body, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    signed = replace(request, headers={"x-postal-signature": base64.b64encode(mac).decode()})
    check("postal", own.public_key(), request, signed)
    curve = ec.generate_private_key(ec.SECP256R1())
    request = call(CASES[11].body)
    mac = curve.sign(b"17" + request.body, ec.ECDSA(hashes.SHA256()))
    headers = {
        "x-twilio-email-event-webhook-signature": base64.b64encode(mac).decode(),
        "x-twilio-email-event-webhook-timestamp": "17",
    }
    check("sendgrid", curve.public_key(), request, replace(request, headers=headers))


def check(name: str, key: Any, request: Request, signed: Request) -> None:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ours = account(name, base64.b64encode(der).decode())
    assert isinstance(drivers[name].receipts(ours, signed), list)
    assert isinstance(drivers[name].receipts(ours, request), Forged)
    changed = replace(signed, body=signed.body.replace(b"ada", b"eve"))
    assert isinstance(drivers[name].receipts(ours, changed), Forged)
    assert isinstance(drivers[name].receipts(account(name, "nonsense"), signed), Forged)


def test_twilio_echoes_our_attempt() -> None:
    found = drivers["twilio"].receipts(account("twilio"), TWILIO)
    assert isinstance(found, list)
    (report,) = found
    assert replace(report, raw="") == Report(
        Kind.BOUNCED, SID, "att_1", f"{SID} undelivered", None, "+14155550100", True, "30005"
    )
    elsewhere = form({"MessageSid": SID, "MessageStatus": "sent", "AccountSid": "AC" + "2" * 32})
    assert isinstance(drivers["twilio"].receipts(account("twilio"), elsewhere), Unreadable)


GIVING = [name for name, driver in drivers.items() if driver.gives_receipts]


def test_who_gives_receipts() -> None:
    assert set(drivers) - set(GIVING) == {"smtp", "scaleway"}


@pytest.mark.parametrize("name", GIVING)
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b"[1]", b"\xff\xfe", b'{"a":' * 50_000, b"[" * 100_000],
    ids=["empty", "null", "list", "object", "number", "bytes", "deep object", "deep list"],
)  # fmt: skip
def test_what_is_no_receipt_raises_nothing(name: str, body: bytes) -> None:
    found = drivers[name].receipts(account(name), call(body, SNS))
    assert found == [] or isinstance(found, Unreadable | Forged)


def subscription(url: str) -> Request:
    about = {"Type": "SubscriptionConfirmation", "TopicArn": "arn:x", "SubscribeURL": url}
    body = json.dumps(about).encode()
    return call(body, {"x-amz-sns-message-type": "SubscriptionConfirmation"})


@pytest.mark.parametrize(("status", "kind"), [(200, list), (403, Unreadable), (302, Unreadable)])
def test_a_subscription_is_confirmed(status: int, kind: type) -> None:
    with Vendor(Canned(status, headers={"Location": "http://127.0.0.1:9/"})) as sns:
        ours = account("amazon_ses")
        ours = replace(ours, settings=replace(ours.settings, api_url=sns.url))
        found = drivers["amazon_ses"].receipts(ours, subscription(f"{sns.url}/?Token=1"))
        assert isinstance(found, kind)
        assert [(asked.method, asked.path) for asked in sns.asked] == [("GET", "/?Token=1")]


@pytest.mark.parametrize(
    "url",
    ["", "http://sns.eu-central-1.amazonaws.com/?x=1", "https://sns.eu.amazonaws.com.evil.example/?x",
     "https://evil.example/?https://sns.eu.amazonaws.com/", "https://sns.x@evil.amazonaws.com/?x",
     "https://sns.eu.amazonaws.com:22/?x", "file:///etc/passwd", "http://169.254.169.254/?x"],
)  # fmt: skip
def test_a_subscription_elsewhere_is_not(url: str) -> None:
    found = drivers["amazon_ses"].receipts(account("amazon_ses"), subscription(url))
    assert isinstance(found, Forged)


def test_a_subscription_that_cannot_be_read() -> None:
    header = {"x-amz-sns-message-type": "SubscriptionConfirmation"}
    for body in (b"", b"[]", b"{}", b"\xff", b"[" * 100_000):
        found = drivers["amazon_ses"].receipts(account("amazon_ses"), call(body, header))
        assert isinstance(found, Unreadable)
