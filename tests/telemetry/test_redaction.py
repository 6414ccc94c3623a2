"""Nothing planted in a record comes out of its line: not by message, argument, extra or error."""

from __future__ import annotations

import json
import logging
import smtplib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import pytest
import requests
from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import connection
from django.http import HttpRequest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from hiram.telemetry import JsonFormatter
from hiram.telemetry.redaction import redact, redact_text
from tenants.models import Tenant
from tenants.models.api_key import new_key
from tests.factories import TenantFactory

LOCAL, DOMAIN = "ada.canary+tag", "canary-mail.example"
EMAIL = f"{LOCAL}@{DOMAIN}"
BODY = "Dear canary, your code is 881144"
SECRET = "s3cr3t-c4n4ry-v4lue"
KEY = new_key("live")
PHONE = "+4915112345678"


def line(message: object, *args: object, **extra: Any) -> str:
    """The line of one record."""
    logger = logging.getLogger("tests.redaction")
    info = extra.pop("exc_info", None)
    record = logger.makeRecord(
        logger.name, logging.WARNING, __file__, 1, message, args, info, extra=extra
    )
    return JsonFormatter().format(record)


def failing(act: Callable[[], object]) -> str:
    """The line of a record that carries the error which `act` raises."""
    try:
        act()
    except Exception as error:
        return line("it failed: %s", error, exc_info=(type(error), error, error.__traceback__))
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(
    "text",
    [
        EMAIL,
        f"<{EMAIL}>",
        f"MAIL FROM:<{EMAIL}> SIZE=10",
        f'"Ada Lovelace" <{EMAIL}>',
        f"mailto:{EMAIL}?subject=x",
        f"/v1/notifications?recipient={LOCAL}%40{DOMAIN}",
        f"550 5.1.1 <{EMAIL}>: Recipient address rejected",
        f"to={EMAIL},",
        f"{EMAIL};{EMAIL}",
        f"{{'{EMAIL}': (550, b'no')}}",
        f"({EMAIL})",
        f"user={EMAIL}\nnext",
        f'{{"recipient": "{EMAIL}"}}',
        f"{LOCAL}@[192.0.2.1] canary-mail.example",
    ],
)
def test_addresses(text: str) -> None:
    said = line(text)
    assert LOCAL not in said
    assert "ada.canary" not in said
    assert DOMAIN not in said.replace(" canary-mail.example", "")


@pytest.mark.parametrize("address", ["用户@例え.jp", "jörg@müller.example", '"a b"@x.example'])
def test_international_addresses(address: str) -> None:
    said = json.loads(line("sent to %s", address))["message"]
    assert said == "sent to [redacted]"


@pytest.mark.parametrize(
    "phone",
    [
        PHONE,
        "+49 151 1234 5678",
        "+49 (151) 1234-5678",
        "+49.151.1234.5678",
        "%2B4915112345678",
        "tel:+4915112345678",
        "tel:4915112345678",
        "whatsapp:+4915112345678",
        "To=%2B4915112345678&From=x",
    ],
)
def test_phone_numbers(phone: str) -> None:
    said = line("no such subscriber %s.", phone)
    digits = "".join(c for c in json.loads(said)["message"] if c.isdecimal())
    assert "5112345" not in digits
    assert "1234" not in digits


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"X-Api-Key: {KEY}",
        f"key={KEY},",
        f'{{"api_key": "{KEY}"}}',
        f"curl -H 'X-Api-Key: {KEY}'",
        f"unknown key {KEY[:30]}",
        KEY.replace("live", "test"),
    ],
)
def test_our_keys(text: str) -> None:
    said = line(text)
    assert KEY[8:] not in said
    assert KEY[8:20] not in said


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: basic {SECRET}",
        f"{{'Authorization': 'Bearer {SECRET}'}}",
        f"Authorization: AWS4-HMAC-SHA256 Credential=x, Signature={SECRET}",
        f"Bearer {SECRET}",
        f"X-Api-Key: {SECRET}",
        f"Cookie: hiram={SECRET}; csrftoken={SECRET}",
        f"Set-Cookie: __Host-hiram={SECRET}; Path=/",
        f"postgresql://hiram:{SECRET}@db.internal:5432/hiram",
        f"redis://:{SECRET}@10.0.0.1:6379/0",
        f"amqp://hiram:{SECRET}%2F!@rabbit//",
        f"https://hooks.vendor.example/in?token={SECRET}&x=1",
        f"password={SECRET}",
        f"smtp_password: {SECRET}",
        f"HIRAM_SECRET_KEY={SECRET}",
        f"client_secret='{SECRET}'",
        f"{{'auth_token': '{SECRET}'}}",
        f'{{"access_token":"{SECRET}","expires_in":1}}',
        f"api-key = {SECRET}",
        f"credentials={{'password': {{'nested': '{SECRET}'}}}}",
        f"re_{SECRET.replace('-', '')}",
        f"whsec_{SECRET}",
        f"SG.{SECRET}.abcdefgh",
        f"key-{SECRET}",
        f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.{SECRET}",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}",
    ],
)
def test_credentials(text: str) -> None:
    said = line(text)
    assert SECRET not in said
    assert SECRET.replace("-", "") not in said
    assert SECRET not in line("around %s it", text)


def test_links_that_let_people_in() -> None:
    signed = signing.dumps({"invite": SECRET})
    assert signed not in line(f"/portal/invite/{signed}/")
    assert signed[-20:] not in line(f"/portal/invite/{signed}/")
    assert "c3po-" not in line("/reset/MQ/c3po12-0123456789abcdef0123456789abcdef/")
    assert "89abcdef" not in line("/reset/MQ/c3po12-0123456789abcdef0123456789abcdef/")


def test_this_installations_own_secrets_in_any_form() -> None:
    for secret in (settings.SECRET_KEY, *settings.ENCRYPTION_KEYS):
        assert secret not in line(f"x{secret}y")
        assert secret not in line("boom", detail={"anything": [f"<{secret}>"]})


@dataclass
class Letter:
    """What a driver might be given."""

    recipient: str
    subject: str
    body: str
    html: str
    metadata: dict[str, str]
    number: int = 7


LETTER = Letter(EMAIL, BODY, BODY, f"<p>{BODY}</p>", {"order": BODY})


@pytest.mark.parametrize(
    "said",
    [
        line("sending %s", LETTER),
        line("sending %r", vars(LETTER)),
        line(f"sending {vars(LETTER)}"),
        line("posting %s", json.dumps(vars(LETTER))),
        line("x", body=BODY),
        line("x", payload={"body": BODY}),
        line("x", letter=vars(LETTER)),
        line("x", letters=[vars(LETTER)]),
        line("x", deep={"a": {"b": {"subject": BODY}}}),
        line("x", to=[EMAIL], text=BODY, html=BODY, attachments=[BODY.encode()]),
        line("x", request_headers={"X-Api-Key": KEY, "cookie": BODY}),
        line("args=%s", (BODY, EMAIL)),
        line({"body": BODY}),
        line(f"Subject: {BODY}\n {BODY}\nTo: {EMAIL}\n\nx"),
        line("%(body)s", {"body": "x"}, body=BODY),
    ],
    ids=range(15),
)
def test_contents(said: str) -> None:
    assert "881144" not in said
    assert "canary" not in said


class Asked(BaseModel):
    """A model that refuses."""

    kind: Literal["a"]


def refused_row() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE letters (body text, recipient text UNIQUE, n int CHECK (n > 0))"
        )
        cursor.execute("INSERT INTO letters VALUES (%s, %s, -1)", [BODY, EMAIL])


def doubled_row() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE doubles (word text UNIQUE)")
        cursor.execute("INSERT INTO doubles VALUES (%s), (%s)", [BODY, BODY])


def unreadable_value() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text::int", [BODY])


def unreadable_json() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text::json", ['{"body": "' + BODY])


def chained() -> None:
    try:
        refused_row()
    except Exception as error:
        raise RuntimeError(f"could not store for {EMAIL}") from error


@pytest.mark.django_db
@pytest.mark.parametrize(
    "act", [refused_row, doubled_row, unreadable_value, unreadable_json, chained]
)
def test_what_postgresql_quotes(act: Callable[[], None]) -> None:
    said = failing(act)
    assert "881144" not in said
    assert "canary" not in said
    assert act.__name__ in json.loads(said)["exception"]


@pytest.mark.parametrize(
    "act",
    [
        lambda: Asked.model_validate({"kind": BODY}),
        lambda: Asked.model_validate({"kind": "a" * 10 + BODY, "body": BODY}),
        lambda: EmailMessage(f"{BODY}\n", "x", EMAIL, [EMAIL]).message(),
        lambda: int(BODY),
        lambda: float(BODY),
        lambda: raise_(smtplib.SMTPRecipientsRefused({EMAIL: (550, f"<{EMAIL}> no".encode())})),
        lambda: raise_(smtplib.SMTPAuthenticationError(535, f"password={SECRET}".encode())),
        lambda: requests.get(f"http://x:{SECRET}@127.0.0.1:1/?token={SECRET}&to={EMAIL}", timeout=1),
        lambda: raise_(ValidationError({"recipient": [f"{EMAIL} is blocked"]})),
        lambda: raise_(RuntimeError({"body": BODY, "api_key": KEY})),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_libraries_quote(act: Callable[[], object]) -> None:
    said = failing(act)
    assert "881144" not in said
    assert SECRET not in said
    assert KEY not in said
    assert LOCAL not in said


def raise_(error: Exception) -> None:
    raise error


def test_djangos_own_records_carry_the_request() -> None:
    request = HttpRequest()
    request.method, request.path = "GET", "/v1/x"
    request.META["QUERY_STRING"] = f"recipient={EMAIL}"
    said = line("Bad Request: %s", f"/v1/x?recipient={EMAIL}&body={quote(BODY)}", request=request)
    assert "canary" not in said


@pytest.mark.django_db
def test_what_helps_to_find_the_fault_is_kept() -> None:
    tenant: Tenant = TenantFactory()
    text = (
        f"notification ntf_01HZX0000000000000000000AB of tenant {tenant.pk} at 2026-01-02T03:04:05"
        "+00:00 took 1234567890 ns, attempt 3, 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
        "-01, worker@host1, http://127.0.0.1:3357/v1/notifications, sha256 " + "0" * 64 + ", 100%"
    )
    assert json.loads(line(text))["message"] == text


def test_control_characters_move_no_cursor_and_make_no_line() -> None:
    said = line(
        "one\r\ntwo\x1b[31mred\x07\x00\x7f\x9b0m\u2028\u202eabc\ud800", **{"na\nme": "a\nb\x1b[2J"}
    )
    assert said.isascii()
    assert said.isprintable()
    message = json.loads(said)["message"]
    assert message == ("one\\r\ntwo\\x1b[31mred\\x07\\x00\\x7f\\x9b0m\\u2028\\u202eabc\\ud800")


class Hostile:
    """Says nothing about itself."""

    def __str__(self) -> str:
        raise RuntimeError(SECRET)

    __repr__ = __str__


@pytest.mark.parametrize(
    "said",
    [
        lambda: line("%s", Hostile()),
        lambda: line(Hostile()),
        lambda: line("%d %d", "x"),
        lambda: line("%s %s", "only one"),
        lambda: line("x", odd=Hostile(), more={Hostile(): Hostile()}, nan=float("nan")),
        lambda: line("x", many=list(range(10_000)), deep=nested(500)),
        lambda: line("%(a)s", {"b": 1}),
        lambda: line(b"bytes \xff"),
        lambda: line(None),
    ],
    ids=range(9),
)
def test_no_record_is_too_odd(said: Callable[[], str]) -> None:
    text = said()
    json.loads(text, parse_constant=pytest.fail)
    assert SECRET not in text
    assert len(text) < 70_000


def nested(depth: int) -> Any:
    value: Any = SECRET
    for _ in range(depth):
        value = [value]
    return value


def test_a_long_record_is_cut_after_it_was_redacted() -> None:
    for size in range(32_700, 32_800):
        said = line("x" * (size - len(EMAIL)) + " " + EMAIL)
        assert "ada.canary" not in said
    assert len(line("\x00" * 40_000, **{f"f{n}": "\u00e4" * 40_000 for n in range(50)})) < 300_000


@pytest.mark.parametrize(
    "word", ["a", "a.", "a@", "@a.", "=", "'", "(", "key ", "body=", "://a:", "?a=", "+1 ", "\\", "a-"]
)  # fmt: skip
def test_hostile_text_takes_linear_time(word: str) -> None:
    text = word * (32_768 // len(word))
    began = time.process_time()
    redact_text(text)
    assert time.process_time() - began < 1


@given(st.text(), st.text())
def test_an_address_is_found_in_any_surroundings(before: str, after: str) -> None:
    assert EMAIL not in redact_text(f"{before} {EMAIL} {after}")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=30,
    )
)
def test_anything_becomes_json(value: object) -> None:
    json.loads(json.dumps(redact(value), allow_nan=False))
