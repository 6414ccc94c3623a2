"""The Amazon SES driver."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode
from dataclasses import replace
from email import message_from_bytes, policy
from functools import reduce

import pytest

from delivery.driver import Account, Driver, Failed, Sent
from delivery.drivers.amazon_ses import AmazonSes, Settings
from tests.drivers.conformance import mailbox
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_CONTENT,
    FULL,
    PLAIN,
    SECONDS,
    THROTTLED,
    TRANSIENT,
    UNKNOWN,
    MailTests,
    copies,
)
from tests.drivers.vendor import Asked, Canned, Vendor

ID = "010f0190a0b0c0d0-0a1b2c3d-0000-4000-8000-000000000000-000000"
UNVERIFIED = (
    "Email address is not verified. The following identities failed the check in region "
    "EU-CENTRAL-1: shop@acme.example"
)
SECRET = "wJalrXUtnFEMI-secret"


def error(status: int, name: str, message: str) -> Canned:
    return Canned(status, {"message": message}, {"x-amzn-ErrorType": name})


class TestAmazonSes(MailTests):
    driver = AmazonSes
    settings = {
        **MailTests.settings,
        "region": "eu-central-1",
        "configuration_set_name": "events",
    }
    credentials = {"access_key_id": "AKIAC0FFEE", "secret_access_key": SECRET}
    yes = Canned(200, {"MessageId": ID})
    sent = Sent(ID, "200", copies=copies())
    answers = [
        (error(400, "AccountSuspendedException", "Permanently restricted."), BAD_ACCOUNT),
        (error(400, "BadRequestException", "Illegal address"), BAD_CONTENT),
        (error(400, "LimitExceededException", "Daily message quota exceeded."), THROTTLED),
        (error(400, "MailFromDomainNotVerifiedException", "Not verified."), BAD_ACCOUNT),
        (error(400, "MessageRejected", UNVERIFIED), BAD_ACCOUNT),
        (error(400, "MessageRejected:http://internal.amazon.com/", "A virus."), BAD_CONTENT),
        (error(400, "SendingPausedException", "Sending is paused."), BAD_ACCOUNT),
        (error(400, "ThrottlingException", "Rate exceeded"), THROTTLED),
        (error(403, "AccessDeniedException", "User is not authorized"), BAD_ACCOUNT),
        (error(403, "InvalidSignatureException", "Does not match"), BAD_ACCOUNT),
        (error(403, "UnrecognizedClientException", "The security token is invalid."), BAD_ACCOUNT),
        (
            error(404, "NotFoundException", "Configuration set <events> does not exist."),
            BAD_ACCOUNT,
        ),
        (error(429, "TooManyRequestsException", "Maximum sending rate exceeded."), THROTTLED),
        (error(500, "InternalFailure", "Internal failure"), TRANSIENT),
        (error(503, "ServiceUnavailable", "Unavailable"), TRANSIENT),
        (Canned(400, {"__type": "com.amazonaws#ThrottlingException"}), THROTTLED),
        (Canned(500, {"message": "Internal server error"}), UNKNOWN),
        (Canned(200, {}), UNKNOWN),
    ]

    def words(self, asked: Asked) -> bytes:
        return b64decode(asked.json["Content"]["Raw"]["Data"])

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/v2/email/outbound-emails"
        assert asked.json["Destination"] == {
            "ToAddresses": ["ann@example.com"],
            "CcAddresses": ["cc@example.com"],
            "BccAddresses": ["bcc@example.com"],
        }
        assert asked.json["ConfigurationSetName"] == "events"
        mail = message_from_bytes(self.words(asked), policy=policy.default)
        assert mail["From"] == '"Ä \\"Acme\\", Inc." <shop@acme.example>'
        assert (mail["To"], mail["Cc"], mail["Bcc"]) == ("ann@example.com", "cc@example.com", None)
        assert mail["Reply-To"] == "help@acme.example"
        assert mail["Subject"] == "Order confirmed"
        assert mail["X-Order"] == "1"
        assert mail["Message-ID"] == "<ntf_01@acme.example>"
        assert mail["Date"] == "Thu, 20 Nov 2025 23:15:00 +0000"
        assert json.loads(mail["X-Metadata"]) == {"attempt_id": "att_01"}
        leaves = [part for part in mail.walk() if not part.is_multipart()]
        assert [(part.get_content_type(), part.get_content()) for part in leaves] == [
            ("text/plain", "Thank you."),
            ("text/html", "<p>Thank you.</p>"),
            ("application/pdf", b"%PDF-1.7\n"),
        ]
        assert asked.headers["authorization"] == _authorization(asked)

    def sender_of(self, asked: Asked) -> tuple[str, str]:
        return mailbox(message_from_bytes(self.words(asked))["From"].replace("\n", ""))

    def test_region(self, made: Driver, account: Account) -> None:
        """Without an address it is the region's; what is no region leads nowhere."""
        driver = AmazonSes()
        for region, host in {
            "eu-central-1": "email.eu-central-1.amazonaws.com",
            "cn-north-1": "email.cn-north-1.amazonaws.com.cn",
            "us-gov-west-1": "email.us-gov-west-1.amazonaws.com",
        }.items():
            settings = Settings(from_email="shop@acme.example", region=region)
            at = replace(account, settings=settings)
            assert (
                driver.call(driver.opened(at), at, PLAIN).url
                == f"https://{host}/v2/email/outbound-emails"
            )
        settings = Settings(from_email="shop@acme.example", region="evil.example/#")
        answer = made.send(replace(account, settings=settings), PLAIN, timeout=SECONDS)
        assert isinstance(answer, Failed)
        assert answer.fault is BAD_ACCOUNT

    def test_machine_is_not_asked(
        self, made: Driver, account: Account, server: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another's credentials and end points in the environment change nothing."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "other")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        assert made.send(account, FULL, timeout=SECONDS).code == "200"
        assert "AKIAC0FFEE" in server.asked[0].headers["authorization"]
        assert "x-amz-security-token" not in server.asked[0].headers


def _authorization(asked: Asked) -> str:
    """Signature Version 4, as the "AWS Signature Version 4" pages of AWS describe it."""
    at = asked.headers["x-amz-date"]
    scope = f"{at[:8]}/eu-central-1/ses/aws4_request"
    names = ("content-type", "host", "x-amz-date")
    lines = [f"{name}:{asked.headers[name]}" for name in names]
    signed = ";".join(names)
    digest = hashlib.sha256(asked.body).hexdigest()
    request = "\n".join(["POST", asked.path, "", *lines, "", signed, digest])
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(request.encode()).hexdigest()]
    )
    key = reduce(
        lambda key, word: hmac.digest(key, word.encode(), "sha256"),
        scope.split("/"),
        b"AWS4" + SECRET.encode(),
    )
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"Credential=AKIAC0FFEE/{scope}"
    return f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={signed}, Signature={signature}"
