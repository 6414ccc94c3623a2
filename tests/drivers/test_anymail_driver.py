"""What e-mail drivers over anymail share, seen through some of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pytest_django import Settings as Overrides

from delivery.driver import Account, Attachment, Failed, Fault, Sent
from delivery.drivers.mailgun import Mailgun
from delivery.drivers.postmark import Credentials, Postmark, Settings
from delivery.shelves import drivers
from tests.drivers.conformance import SECONDS
from tests.drivers.over_http import FULL, PLAIN
from tests.drivers.test_postmark import taken
from tests.drivers.vendor import Vendor

OVER_ANYMAIL = {
    "amazon_ses", "brevo", "mailersend", "mailgun", "mailjet", "mailtrap", "mandrill", "postal",
    "postmark", "resend", "scaleway", "sendgrid", "sparkpost", "unisender_go",
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[Vendor]:
    with Vendor(taken()) as vendor:
        yield vendor


@pytest.fixture
def made() -> Iterator[Postmark]:
    made = Postmark()
    yield made
    made.close()


@pytest.fixture
def account(server: Vendor) -> Account:
    settings = Settings(from_email="shop@acme.example", from_name="Acme", api_url=server.url)
    return Account("prv_1", "1", settings, Credentials(server_token="pm-secret"))


def test_the_shelf_has_them() -> None:
    mail = {key for key, driver in drivers.items() if driver.channel == "email"}
    assert mail >= OVER_ANYMAIL
    keyed = {key for key in OVER_ANYMAIL if drivers[key].takes_idempotency_key}
    assert keyed == {"resend"}
    silent = {key for key in OVER_ANYMAIL if not drivers[key].gives_receipts}
    assert silent == {"scaleway"}


@pytest.mark.parametrize(
    ("sender", "name", "shown"),
    [
        ("", "", "Acme <shop@acme.example>"),
        ("shop@acme.example", "", "Acme <shop@acme.example>"),
        ("shop@acme.example", "Shop", "Shop <shop@acme.example>"),
        ("help@acme.example", "", "help@acme.example"),
        ("help@acme.example", 'a\\b "c", d', '"a\\\\b \\"c\\", d" <help@acme.example>'),
    ],
)
def test_sender(
    made: Postmark, account: Account, server: Vendor, sender: str, name: str, shown: str
) -> None:
    made.send(account, replace(PLAIN, sender=sender, sender_name=name), timeout=SECONDS)
    assert server.asked[0].json["From"] == shown


@pytest.mark.parametrize("token", ["line\r\nX-Break: 1", "\N{SNOWMAN}"])
def test_token_that_is_no_header(
    made: Postmark, account: Account, server: Vendor, token: str
) -> None:
    """It is found out before anything leaves, so it is not unknown what became of it."""
    pasted = replace(account, credentials=Credentials(server_token=token))
    answer = made.send(pasted, PLAIN, timeout=SECONDS)
    assert isinstance(answer, Failed)
    assert answer.fault is Fault.BAD_ACCOUNT
    assert server.asked == []


def test_own_headers_are_ours(made: Postmark, account: Account, server: Vendor) -> None:
    headers = {"message-id": "<theirs@x.example>", "DATE": "today", "List-Id": "<a.example>"}
    made.send(account, replace(PLAIN, headers=headers, sender="a@bücher.example"), timeout=SECONDS)
    assert server.asked[0].json["Headers"] == [
        {"Name": "List-Id", "Value": "<a.example>"},
        {"Name": "Message-ID", "Value": "<ntf_01@xn--bcher-kva.example>"},
        {"Name": "X-PM-KeepID", "Value": "true"},
    ]


def test_attachments_arrive_as_they_are(made: Postmark, account: Account, server: Vendor) -> None:
    """Whatever their declared type says of their bytes."""
    files = (
        Attachment("latin.txt", "text/plain", b"\xe4\xf6\xfc"),
        Attachment("utf8.txt", "text/plain", "ä\r\n".encode()),
        Attachment("mail.eml", "message/rfc822", b"Subject: x\r\n\r\n\xff"),
        Attachment("empty.bin", "application/octet-stream", b""),
    )
    answer = made.send(account, replace(PLAIN, attachments=files), timeout=SECONDS)
    assert isinstance(answer, Sent), answer
    sent = server.asked[0].json["Attachments"]
    assert [file["Name"] for file in sent] == [file.filename for file in files]
    assert [base64.b64decode(file["Content"]) for file in sent] == [file.content for file in files]


def test_nonsense_attachment(made: Postmark, account: Account, server: Vendor) -> None:
    files = (Attachment("a", "nonsense", b"x"),)
    answer = made.send(account, replace(PLAIN, attachments=files), timeout=SECONDS)
    assert isinstance(answer, Failed)
    assert answer.fault is Fault.BAD_CONTENT
    assert server.asked == []


def test_the_account_s_own_sender(made: Postmark, account: Account, server: Vendor) -> None:
    """An account without a usable sender is no fault of the messages that wait for it."""
    broken = replace(account, settings=replace(account.settings, from_email="nobody"))
    answer = made.send(broken, replace(PLAIN, sender=""), timeout=SECONDS)
    assert isinstance(answer, Failed)
    assert answer.fault is Fault.BAD_ACCOUNT


def test_settings_of_the_installation_are_not_asked(account: Account, settings: Overrides) -> None:
    """An account is a tenant's: what an operator configured for anymail is another's."""
    settings.ANYMAIL = {
        "MAILGUN_SENDER_DOMAIN": "other.example",
        "MAILGUN_API_KEY": "other",
        "SEND_DEFAULTS": {"metadata": {"other": "1"}, "bcc": ["other@example.com"]},
    }
    declared = Mailgun.settings(from_email="shop@acme.example")
    own = Account("prv_2", "1", declared, Mailgun.credentials(api_key="mine"))
    driver = Mailgun()
    call = driver.call(driver.opened(own), own, FULL)
    assert call.url == "https://api.mailgun.net/v3/acme.example/messages"
    assert b"other" not in call.body
