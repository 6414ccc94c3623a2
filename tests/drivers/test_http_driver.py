"""What drivers over HTTP share, seen through one of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256

import pytest
from requests.structures import CaseInsensitiveDict

from delivery.driver import Account, Failed, Fault, Sent, Unknown
from delivery.drivers.twilio import Credentials, Settings, Twilio
from delivery.http_driver import driver as http_driver
from delivery.http_driver.retry_after import retry_after
from hiram.lib import http
from hiram.lib.excerpt import MAX_CHARACTERS
from hiram.lib.web_address import refusal
from tests.drivers.conformance import SECONDS
from tests.drivers.peer import wait_for
from tests.drivers.test_twilio import ACCOUNT, SID, TEXT, created, error
from tests.drivers.vendor import Canned, Vendor

THURSDAY = "Thu, 20 Nov 2025 23:15:00 GMT"


@pytest.fixture
def server() -> Iterator[Vendor]:
    with Vendor(created()) as vendor:
        yield vendor


@pytest.fixture
def made() -> Iterator[Twilio]:
    made = Twilio()
    yield made
    made.close()


def account(address: str, *, revision: str = "1") -> Account:
    settings = Settings(account_sid=ACCOUNT, from_number="+15005550006", api_url=address)
    return Account("prv_1", revision, settings, Credentials(auth_token="tw-secret"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "99999999"}, 86400.0),
        ({"Retry-After": "inf"}, 86400.0),
        ({"Retry-After": "9" * 5000}, 86400.0),
        ({"Retry-After": "Thu, 20 Nov 2025 23:16:30 GMT", "Date": THURSDAY}, 90.0),
        ({"Retry-After": "Thu, 20 Nov 2025 23:16:30 -0000", "Date": THURSDAY}, 90.0),
        ({"Retry-After": THURSDAY, "Date": "Thu, 20 Nov 2025 23:16:30 GMT"}, 0.0),
        ({"Retry-After": "Thu, 20 Nov 2098 23:15:00 GMT", "Date": THURSDAY}, 86400.0),
        ({"Retry-After": "Thu, 99 Nov 2025 23:15:00 GMT"}, None),
        ({"Retry-After": "Thu, 20 Nov 99999 23:15:00 GMT"}, None),
    ],
)
def test_retry_after(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after(CaseInsensitiveDict(headers)) == seconds


def test_retry_after_without_date() -> None:
    due = datetime.now(UTC) + timedelta(minutes=10)
    found = retry_after(CaseInsensitiveDict({"Retry-After": format_datetime(due, usegmt=True)}))
    assert found == pytest.approx(600, abs=10)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "api.example",
        "/v3",
        "ftp://api.example/",
        "file:///etc/passwd",
        "https://",
        "https://:443/",
        "https://user@api.example/",
        "https://user:word@api.example/",
        "https://@api.example/",
        "https://api.example/#part",
        "https://api.example:99999/",
        "https://api.example:port/",
        "https://[::1/",
        "http://93.184.216.34/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::ffff:127.0.0.1]/",
        "https://0x7f.1/",
    ],
)
def test_refused_addresses(address: str) -> None:
    http.use(http.Policy())
    assert refusal(address)


def test_good_addresses() -> None:
    assert refusal("http://127.0.0.1:8025/resend") == ""
    http.use(http.Policy())
    assert refusal("https://93.184.216.34/api/v1") == ""
    assert refusal("https://no-such-host.invalid/") == ""


@pytest.mark.parametrize("address", ["gopher://127.0.0.1", "http://", "http://[::1", "127.0.0.1"])
def test_no_such_address(made: Twilio, address: str) -> None:
    """What cannot be asked was not asked: that is the account's fault, and never unknown."""
    answer = made.send(account(address), TEXT, timeout=SECONDS)
    assert isinstance(answer, Failed)
    assert answer.fault is Fault.BAD_ACCOUNT


def test_revisions_share_no_connection(made: Twilio, server: Vendor) -> None:
    for revision in ("1", "1", "2", "1"):
        made.send(account(server.url, revision=revision), TEXT, timeout=SECONDS)
    assert (server.connections, len(server.asked)) == (2, 4)


def test_accounts_are_bounded(
    made: Twilio, server: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections of the account used longest ago are closed."""
    monkeypatch.setattr(http_driver, "ACCOUNTS", 2)
    for revision in ("1", "2", "1", "3"):
        made.send(account(server.url, revision=revision), TEXT, timeout=SECONDS)
    wait_for(lambda: server.open == 2, "one of three connections closed")
    made.send(account(server.url, revision="1"), TEXT, timeout=SECONDS)
    assert server.connections == 3


def test_idle_accounts_are_closed(
    made: Twilio, server: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of accounts used once must not hold thousands of sockets."""
    for revision in ("1", "2"):
        made.send(account(server.url, revision=revision), TEXT, timeout=SECONDS)
    monkeypatch.setattr(http_driver, "IDLE_SECONDS", 0.0)
    made.send(account(server.url, revision="3"), TEXT, timeout=SECONDS)
    wait_for(lambda: server.open == 1, "those of the idle accounts closed")
    assert server.connections == 3


def test_a_child_process_leaves_the_connections_to_its_parent(server: Vendor) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.drivers.forking_over_http", server.url],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["parent", "child", "parent"]
    assert (server.connections, len(server.asked)) == (2, 3)


def test_evidence_of_what_was_sent(made: Twilio, server: Vendor) -> None:
    answer = made.send(account(server.url), TEXT, timeout=SECONDS)
    assert answer == Sent(SID, "201", payload_sha256=sha256(server.asked[0].body).hexdigest())


def test_text_is_fit_to_be_shown(made: Twilio, server: Vendor) -> None:
    said = "\x1b[31mred\nline\u202e\x00" + "x" * 5000
    server.answers.append(error(400, 21211, said))
    answer = made.send(account(server.url), TEXT, timeout=SECONDS)
    assert answer.detail.startswith("21211: \\x1b[31mred\\nline\\u202e\\x00xxx")
    assert answer.detail.endswith("x\u2026 [cut, 5,022 characters in all]")
    assert len(answer.detail) == MAX_CHARACTERS
    assert answer.detail.isprintable()


def test_half_an_answer(made: Twilio, server: Vendor) -> None:
    """A yes whose words were cut is not read as one, nor as a refusal."""
    whole = created()
    half = Canned(201, whole.raw[:20], {"Content-Length": str(len(whole.raw))})
    server.answers.append(half)
    at = account(server.url)
    answer = made.send(at, replace(TEXT, key="ntf_02"), timeout=0.5)
    assert isinstance(answer, Unknown)
    assert answer.code == "201"


@pytest.mark.parametrize("body", [[], "text", 7, None, {"code": {}, "message": {}}, {"sid": 7}])
def test_odd_json(made: Twilio, server: Vendor, body: object) -> None:
    server.answers += [Canned(201, body), Canned(400, body), Canned(500, body)]
    answers = [made.send(account(server.url), TEXT, timeout=SECONDS) for _ in range(3)]
    assert [type(answer) for answer in answers] == [Unknown, Failed, Unknown]


def test_deep_json(made: Twilio, server: Vendor) -> None:
    server.answers.append(Canned(400, b"[" * 60_000, {"Content-Type": "application/json"}))
    answer = made.send(account(server.url), TEXT, timeout=SECONDS)
    assert isinstance(answer, Failed)
    assert answer.fault is Fault.BAD_CONTENT
