"""What a message says comes out of no record: not by field, argument, error or library."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import pytest
import requests
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import connection
from django.http import HttpRequest
from pydantic import BaseModel

from tests.telemetry.records import BODY, EMAIL, KEY, LOCAL, SECRET, failing, line


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
