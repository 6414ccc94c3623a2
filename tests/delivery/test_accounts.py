"""Declared fields: checked, opened, described."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.accounts import LARGEST, account, check, schema, with_sender
from delivery.driver import Account, Answer, Driver, Message, Nothing, Unknown, described
from delivery.shelves import drivers
from hiram.lib.vault import SealBroken
from tenants.models import Provider
from tests.tenancy import make_tenant

CANARY = "canary-Zr8q3WkX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    host: str = described("Host")
    port: int = described("Port", default=25, required=False)
    secure: bool = described("Secure", default=True, required=False)
    region: str = described("Region", required=False, choices=("eu", "us"))
    senders: tuple[str, ...] = described("Senders", default=(), required=False)
    lists: tuple[str, ...] = described("Lists")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    token: str = described("Token", help="From the console.")


class Pigeon(Driver):
    channel: ClassVar[str] = "email"
    label: ClassVar[str] = "Pigeon"
    settings: ClassVar[type[Any]] = Settings
    credentials: ClassVar[type[Any]] = Credentials
    gives_receipts: ClassVar[bool] = False
    takes_idempotency_key: ClassVar[bool] = False
    max_per_second: ClassVar[float | None] = None

    @classmethod
    def check(cls, settings: Any, credentials: Any) -> list[tuple[str, str]]:
        assert isinstance(settings, Settings)
        assert isinstance(settings.lists, tuple)
        wrong = [("host", "Not that one.")] if settings.host == "bad" else []
        return wrong + ([("token", "Too old.")] if credentials.token == "old" else [])

    def send(self, account: Account, message: Message, *, timeout: float) -> Answer:
        return Unknown("never asked")

    def payload(self, account: Account, message: Message) -> bytes:
        return b""

    def close(self) -> None:
        pass


GOOD: dict[str, Any] = {"host": "h", "lists": ["a"]}


def wrong(settings: dict[str, Any], credentials: dict[str, Any]) -> list[tuple[str, str]]:
    return [(error.pointer, error.code) for error in check(Pigeon(), settings, credentials)]


@pytest.mark.parametrize(
    "more",
    [
        {}, {"port": 0}, {"port": LARGEST}, {"port": -LARGEST}, {"secure": False},
        {"region": "eu"}, {"region": ""}, {"senders": []}, {"senders": ["a", "b"]},
        {"host": "x" * 4_096}, {"host": "\u00e4 b"},
    ],
)  # fmt: skip
def test_what_fits_is_taken(more: dict[str, Any]) -> None:
    assert wrong(GOOD | more, {"token": "t"}) == []


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"host": ""}, ("host", "required")), ({"host": None}, ("host", "type")),
        ({"host": 1}, ("host", "type")), ({"host": ["h"]}, ("host", "type")),
        ({"host": "x" * 4_097}, ("host", "invalid")), ({"host": "a\n"}, ("host", "invalid")),
        ({"host": "a\x7f"}, ("host", "invalid")), ({"host": "bad"}, ("host", "invalid")),
        ({"port": True}, ("port", "type")), ({"port": 1.0}, ("port", "type")),
        ({"port": "1"}, ("port", "type")), ({"port": LARGEST + 1}, ("port", "out_of_range")),
        ({"port": -(10**300)}, ("port", "out_of_range")), ({"secure": 1}, ("secure", "type")),
        ({"secure": "true"}, ("secure", "type")), ({"region": "EU"}, ("region", "not_an_option")),
        ({"senders": "a"}, ("senders", "type")), ({"senders": [1]}, ("senders", "type")),
        ({"senders": [["a"]]}, ("senders", "type")), ({"senders": ["a\x00"]}, ("senders", "invalid")),
        ({"lists": []}, ("lists", "required")), ({"a/b~": 1}, ("a~1b~0", "unknown_field")),
        ({"token": "t"}, ("token", "unknown_field")),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(more: dict[str, Any], error: tuple[str, str]) -> None:
    assert wrong(GOOD | more, {"token": "t"}) == [(f"/settings/{error[0]}", error[1])]


def test_everything_wrong_is_named_at_once() -> None:
    assert wrong({"port": "x", "colour": 1}, {"host": "h"}) == [
        ("/settings/colour", "unknown_field"),
        ("/settings/host", "required"),
        ("/settings/port", "type"),
        ("/settings/lists", "required"),
        ("/credentials/host", "unknown_field"),
        ("/credentials/token", "required"),
    ]


def test_a_drivers_own_check_points_at_its_field() -> None:
    assert wrong(GOOD | {"host": "bad"}, {"token": "old"}) == [
        ("/settings/host", "invalid"),
        ("/credentials/token", "invalid"),
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
names = st.sampled_from(["host", "port", "secure", "region", "senders", "lists", "token", "x"])


@given(
    settings=st.dictionaries(names, json_values), credentials=st.dictionaries(names, json_values)
)
def test_any_json_is_taken_or_named(settings: dict[str, Any], credentials: dict[str, Any]) -> None:
    found = wrong(settings, credentials)
    if not found:
        Settings(**settings)
        Credentials(**credentials)


@pytest.mark.parametrize("value", [[CANARY], {"a": CANARY}, f"{CANARY}\n", CANARY * 1_000])
def test_no_finding_repeats_a_value(value: Any) -> None:
    errors = check(Pigeon(), GOOD | {"x": CANARY}, {"token": value, "y": CANARY})
    assert CANARY not in repr(errors)
    assert len(errors) == 3


def test_the_schema_says_the_same() -> None:
    text = {"type": "string", "maxLength": 4_096}
    assert schema(Settings) == {
        "type": "object",
        "properties": {
            "host": text | {"title": "Host"},
            "port": {"type": "integer", "title": "Port", "default": 25},
            "secure": {"type": "boolean", "title": "Secure", "default": True},
            "region": text | {"title": "Region", "enum": ["eu", "us"], "default": ""},
            "senders": {"type": "array", "items": text, "title": "Senders", "default": []},
            "lists": {"type": "array", "items": text, "title": "Lists"},
        },
        "required": ["host", "lists"],
        "additionalProperties": False,
    }
    assert schema(Credentials, secret=True)["properties"] == {
        "token": text | {"title": "Token", "description": "From the console.", "writeOnly": True}
    }
    assert schema(Nothing)["properties"] == {}


@pytest.mark.parametrize("name", drivers)
def test_every_driver_declares_what_can_be_described(name: str) -> None:
    driver = drivers[name]
    for declared in (driver.settings, driver.credentials):
        described = schema(declared, secret=declared is driver.credentials)
        assert set(described["required"]) <= set(described["properties"])
        assert all(field["title"] for field in described["properties"].values())
    found = check(driver, {}, {})
    named = {error.pointer for error in found if error.code == "required"}
    for group, declared in (("settings", driver.settings), ("credentials", driver.credentials)):
        assert {f"/{group}/{n}" for n in schema(declared)["required"]} <= named


def provider(**fields: Any) -> Provider:
    made = {"channel": "email", "driver": "smtp", "name": "main"}
    row = Provider(tenant=make_tenant(), **made | fields)
    row.seal({"password": CANARY})
    row.save()
    return row


@pytest.mark.django_db
def test_a_provider_is_opened_for_a_call() -> None:
    settings = {"host": "h", "from_email": "a@b.example", "allowed_from": ["@b.example"]}
    row = provider(settings=settings)
    opened = account(row)
    assert (opened.id, opened.revision) == (str(row.pk), row.updated_at.isoformat())
    assert opened.settings.allowed_from == ("@b.example",)
    assert opened.settings.port == 587
    assert opened.credentials.password == CANARY
    assert CANARY not in repr(opened) + repr(opened.credentials) + repr(opened.settings) + repr(
        row
    )


@pytest.mark.django_db
def test_what_cannot_be_opened_says_why() -> None:
    row = provider(settings={"host": "h", "from_email": "a@b.example"})
    with pytest.raises(KeyError):
        account(Provider(tenant=row.tenant, driver="gone", settings={}))
    row.settings = {"colour": "red"}
    with pytest.raises(TypeError):
        account(row)
    row.settings = {"host": "h", "from_email": "a@b.example"}
    stolen = provider(name="stolen", settings=row.settings)
    stolen.sealed = row.sealed
    with pytest.raises(SealBroken):
        account(stolen)


def test_the_sender_is_the_accounts_own_unless_named() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    message = Message(key="k", channel="email", recipient="r@b.example", at=at)
    mail = drivers["smtp"].settings(host="h", from_email="a@b.example", from_name="Us")
    own = with_sender(message, Account("1", "1", mail, None))
    assert (own.sender, own.sender_name) == ("a@b.example", "Us")
    named = Message(key="k", channel="email", recipient="r@b.example", at=at, sender="c@b.example")
    other = with_sender(named, Account("1", "1", mail, None))
    assert (other.sender, other.sender_name) == ("c@b.example", "")
    sms = drivers["twilio"].settings(account_sid="AC", from_number="+15005550006")
    assert with_sender(message, Account("1", "1", sms, None)).sender == "+15005550006"
    assert with_sender(message, Account("1", "1", Nothing(), None)) == message
