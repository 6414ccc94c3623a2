"""Secrets and people are struck out of a record by their forms, and hostile text is no burden."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core import signing
from hypothesis import given
from hypothesis import strategies as st

from delivery.callback_url import callback_url
from hiram.telemetry.redaction import redact, redact_text
from tests.telemetry.records import DOMAIN, EMAIL, KEY, LOCAL, PHONE, SECRET, line


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
    url = callback_url("resend", UUID(int=1))
    token = url.rpartition("/")[2]
    for text in (
        url,
        f"Service Unavailable: {urlsplit(url).path}",
        f"<{url}?attempt=1>",
        f"{url}x",
    ):
        said = line(text)
        assert token[:9] not in said
        assert "/callbacks/resend/prv_" in said


def test_this_installations_own_secrets_in_any_form() -> None:
    for secret in (settings.SECRET_KEY, *settings.ENCRYPTION_KEYS):
        assert secret not in line(f"x{secret}y")
        assert secret not in line("boom", detail={"anything": [f"<{secret}>"]})


def test_what_helps_to_find_the_fault_is_kept() -> None:
    text = (
        f"notification ntf_01HZX0000000000000000000AB of tenant {uuid4()} at 2026-01-02T03:04:05"
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
