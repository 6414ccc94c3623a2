"""Amazon SES (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html).

The request is signed here (Signature Version 4) instead of made by boto3's client, which would
look for settings on the machine, try again on its own and keep its own connections. Errors are
named by `x-amzn-ErrorType`, texts are in the body ("Common Errors" of the same reference). Its
Message-ID replaces ours.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import requests
from anymail.backends.amazon_ses import EmailBackend
from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView
from botocore import auth, awsrequest, credentials

from delivery.anymail_driver import AnymailDriver, MailSettings
from delivery.driver import Account, Fault, Forged, Report, Request, Unreadable, described
from delivery.http_driver import Call, Complaint, Reply, Unsendable, endpoint
from hiram.lib.http import NotSent, deadline, session

PATH = "v2/email/outbound-emails"
CONFIRM_SECONDS = 5

_SNS = re.compile(r"https://sns\.[a-z0-9-]{1,30}\.amazonaws\.com(\.cn)?/\?[!-~]{1,2000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(MailSettings):
    """Declared settings."""

    region: str = described("Region", help="For example eu-central-1.")
    configuration_set_name: str = described("Configuration set", required=False, default="")
    api_url: str = endpoint("")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Declared secrets."""

    access_key_id: str = described("Access key ID")
    secret_access_key: str = described("Secret access key")


class AmazonSes(AnymailDriver):
    """E-mail through Amazon SES."""

    label = "Amazon SES"
    settings = Settings
    credentials = Credentials
    backend = EmailBackend
    webhook = AmazonSESTrackingWebhookView
    own_headers = ("Message-ID", "Date")
    faults = {
        "AccessDeniedException": Fault.BAD_ACCOUNT,
        "AccountSuspendedException": Fault.BAD_ACCOUNT,
        "BadRequestException": Fault.BAD_CONTENT,
        "LimitExceededException": Fault.THROTTLED,
        "MailFromDomainNotVerifiedException": Fault.BAD_ACCOUNT,
        "NotFoundException": Fault.BAD_ACCOUNT,  # no such configuration set
        "SendingPausedException": Fault.BAD_ACCOUNT,
        "ThrottlingException": Fault.THROTTLED,
        "TooManyRequestsException": Fault.THROTTLED,
        "IncompleteSignature": Fault.BAD_ACCOUNT,
        "OptInRequired": Fault.BAD_ACCOUNT,
        "RequestExpired": Fault.BAD_ACCOUNT,
    }
    hints = {"^Email address is not verified": Fault.BAD_ACCOUNT}

    def backend_options(self, account: Account) -> dict[str, Any]:
        """Nothing for boto3: no client is opened."""
        return {
            "configuration_set_name": account.settings.configuration_set_name or None,
            "message_tag_name": None,
            "session_params": {},
            "client_params": {},
        }

    def request(self, opened: Any, payload: Any, account: Account) -> Call:
        """The parameters that anymail makes for boto3, as the JSON that boto3 would send."""
        _fix_boundaries(payload.mime_message)
        payload.finalize_payload()
        content = b64encode(payload.params["Content"]["Raw"]["Data"]).decode("ascii")
        params = payload.params | {"Content": {"Raw": {"Data": content}}}
        body = json.dumps(params).encode()
        url = _api(account.settings) + PATH
        keys = account.credentials
        return Call(
            url, _signed(url, body, keys, account.settings.region), body, (opened, payload)
        )

    def for_anymail(self, reply: Reply) -> Any:
        """As boto3 would return it."""
        return reply.json

    def complaint(self, reply: Reply) -> Complaint | None:
        """Its name and text."""
        named = reply.headers.get("x-amzn-ErrorType") or reply.get("__type")
        if not named:
            return None
        code = re.split("[:#]", named)[-1 if "#" in named else 0]
        return Complaint(str(reply.get("message") or reply.get("Message") or code), code)

    def receipts(self, account: Account, request: Request) -> list[Report] | Forged | Unreadable:
        """What SNS brings; a subscription is confirmed, since the caller has our token
        (https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html)."""
        if request.headers.get("x-amz-sns-message-type") != "SubscriptionConfirmation":
            return super().receipts(account, request)
        try:
            url = str(json.loads(request.body)["SubscribeURL"])
        except (LookupError, RecursionError, TypeError, ValueError):
            return Unreadable("a subscription without its address")
        own = account.settings.api_url
        if not (_SNS.fullmatch(url) or (own and url.startswith(_api(account.settings)))):
            return Forged("the subscription is not Amazon's")
        return _confirmed(url)

    def webhook_options(self, account: Account, request: Request) -> dict[str, Any]:
        """Nothing for boto3: no client is opened."""
        return {
            "auto_confirm_sns_subscriptions": False,
            "session_params": {},
            "client_params": {},
        }

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """A bounce of type Permanent ("Notification contents", SES Developer Guide)."""
        return bool(event["bounce"]["bounceType"] == "Permanent")


def _confirmed(url: str) -> list[Report] | Unreadable:
    try:
        with deadline(CONFIRM_SECONDS), session() as line:
            request = Call(url, {}, b"", method="GET").prepared()
            done = 200 <= line.get_adapter(url).send(request).status_code < 300
    except (NotSent, Unsendable, requests.RequestException, OSError) as error:
        return Unreadable(f"the subscription could not be confirmed ({type(error).__name__})")
    return [] if done else Unreadable("the subscription could not be confirmed")


def _api(settings: Settings) -> str:
    if settings.api_url:
        return settings.api_url.rstrip("/") + "/"
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", settings.region):
        raise Unsendable("the region is none of AWS", Fault.BAD_ACCOUNT)
    suffix = "com.cn" if settings.region.startswith("cn-") else "com"
    return f"https://email.{settings.region}.amazonaws.{suffix}/"


def _signed(url: str, body: bytes, keys: Credentials, region: str) -> dict[str, str]:
    request = awsrequest.AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
    if keys.access_key_id:
        pair = credentials.Credentials(keys.access_key_id, keys.secret_access_key)
        auth.SigV4Auth(pair, "ses", region).add_auth(request)
    return {name: str(value) for name, value in request.headers.items()}


def _fix_boundaries(mime: Any) -> None:
    """Boundaries that are the same on every try, and made from all that they separate."""
    print_ = sha256()
    for part in mime.walk():
        if not part.is_multipart():
            print_.update(str(part.get_payload()).encode("utf-8", "surrogateescape"))
    for number, part in enumerate(mime.walk()):
        if part.get_content_maintype() == "multipart":
            part.set_boundary(f"{print_.hexdigest()[:40]}-{number}")
