"""Making providers: exact answers, and refusals that point at the field."""

from __future__ import annotations

from typing import Any

import pytest

from delivery.shelves import drivers
from hiram.lib import ids
from tenants.models import Provider
from tests.delivery.providers.bodies import (
    CANARY,
    made,
    path,
    smtp,
    with_login,
)
from tests.tenancy import Caller

pytestmark = pytest.mark.django_db


def test_a_provider_is_made_and_shown(ours: Caller) -> None:
    said = ours.post("/v1/providers", with_login(priority=7, weight=3, enabled=False))

    shown = said.body
    assert said.status == 201
    assert said.headers["Location"] == f"/v1/providers/{shown['id']}"
    assert Provider.objects.get().pk == ids.parse("prv", shown["id"])
    assert shown == {
        "id": shown["id"],
        "channel": "email",
        "driver": "smtp",
        "name": "main",
        "settings": {
            "host": "127.0.0.1",
            "port": 2525,
            "security": "none",
            "from_email": "a@b.example",
            "username": "hiram",
        },
        "credentials_set": ["password"],
        "priority": 7,
        "weight": 3,
        "max_per_second": None,
        "max_in_flight": None,
        "enabled": False,
        "status": "disabled",
        "reason": None,
        "detail": None,
        "share": 100,
        "degraded_at": None,
        "callback_url": None,
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
    }
    assert ours.get(path(shown)).body == shown
    assert ours.get("/v1/providers").body == {
        "data": [shown],
        "next_cursor": None,
        "has_more": False,
    }


def test_what_is_left_out_has_its_default(ours: Caller) -> None:
    shown = made(ours, smtp(name="  main  "))
    assert [shown[n] for n in ("name", "priority", "weight", "enabled", "status")] == [
        "main", 100, 1, True, "usable",
    ]  # fmt: skip
    assert shown["credentials_set"] == []


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"colour": 1}, [("/colour", "unknown_field")]),
        ({"id": "prv_1"}, [("/id", "unknown_field")]),
        ({"shared": True}, [("/shared", "unknown_field")]),
        ({"name": ""}, [("/name", "too_short")]),
        ({"name": "   "}, [("/name", "too_short")]),
        ({"name": "x" * 101}, [("/name", "too_long")]),
        ({"name": "a\nb"}, [("/name", "invalid")]),
        ({"name": None}, [("/name", "type")]),
        ({"priority": -1}, [("/priority", "out_of_range")]),
        ({"priority": 32_768}, [("/priority", "out_of_range")]),
        ({"priority": True}, [("/priority", "type")]),
        ({"priority": "1"}, [("/priority", "type")]),
        ({"weight": 0}, [("/weight", "out_of_range")]),
        ({"enabled": 1}, [("/enabled", "type")]),
        ({"settings": []}, [("/settings", "type")]),
        ({"settings": None}, [("/settings", "type")]),
        ({"driver": "pigeon"}, [("/driver", "not_an_option")]),
        ({"driver": "SMTP"}, [("/driver", "not_an_option")]),
        ({"channel": "sms"}, [("/channel", "not_an_option")]),
        ({"channel": "email", "driver": "twilio"}, [("/channel", "not_an_option")]),
        (
            {"settings": {}},
            [("/settings/host", "required"), ("/settings/from_email", "required")],
        ),
        (
            {"settings": {"host": "", "from_email": "a@b.example", "tls": True}},
            [("/settings/tls", "unknown_field"), ("/settings/host", "required")],
        ),
        ({"credentials": {"token": "x"}}, [("/credentials/token", "unknown_field")]),
        ({"credentials": {"password": 1}}, [("/credentials/password", "type")]),
        ({"credentials": {"password": "a\r\nb"}}, [("/credentials/password", "invalid")]),
        ({"credentials": {"password": "x" * 4_097}}, [("/credentials/password", "invalid")]),
    ],
)
def test_a_wrong_body_is_refused_at_the_field(
    ours: Caller, change: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    said = ours.post("/v1/providers", smtp() | change)
    assert (said.status, said.body["code"], said.errors) == (422, "invalid", errors)
    assert Provider.objects.count() == 0


@pytest.mark.parametrize(
    ("settings", "errors"),
    [
        ({"port": "25"}, [("/settings/port", "type")]),
        ({"port": True}, [("/settings/port", "type")]),
        ({"port": 25.0}, [("/settings/port", "type")]),
        ({"port": 0}, [("/settings/port", "invalid")]),
        ({"port": 2**31}, [("/settings/port", "out_of_range")]),
        ({"security": "ssl"}, [("/settings/security", "not_an_option")]),
        ({"allowed_from": "a@b.example"}, [("/settings/allowed_from", "type")]),
        ({"allowed_from": ["a@b.example", 1]}, [("/settings/allowed_from", "type")]),
        ({"host": "10.0.0.1"}, [("/settings/host", "invalid")]),
        ({"host": "169.254.169.254"}, [("/settings/host", "invalid")]),
        ({"username": "me"}, [("/credentials/password", "invalid")]),
    ],
)
def test_a_wrong_setting_is_refused_at_the_field(
    ours: Caller, settings: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    body = smtp()
    body["settings"] |= settings
    said = ours.post("/v1/providers", body)
    assert (said.status, said.errors) == (422, errors)


def test_an_unknown_driver_is_answered_with_those_that_are(ours: Caller) -> None:
    said = ours.post("/v1/providers", smtp(driver="pigeon"))
    [error] = said.body["errors"]
    assert error["detail"] == f"This must be one of {', '.join(sorted(drivers))}."


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"1"])
def test_a_body_that_is_no_object_is_refused(ours: Caller, body: bytes) -> None:
    provider = made(ours, smtp())
    assert ours.post("/v1/providers", body).status == 422
    assert ours.patch(path(provider), body).status == 422
    assert ours.post(path(provider, "/test"), body).status == 422


def test_an_answer_does_not_outgrow_its_request(ours: Caller) -> None:
    body = smtp(credentials={f"{n}{'x' * 10_000}": CANARY for n in range(50)})
    said = ours.post("/v1/providers", body)
    assert (said.status, len(said.body["errors"])) == (422, 20)
    assert len(said.raw) < 10_000
    assert ours.get("/v1/providers?" + "&".join(f"a{n}=1" for n in range(500))).errors == [
        (f"/a{n}", "unknown_parameter") for n in range(20)
    ]


def test_drivers_declare_their_fields(ours: Caller) -> None:
    found = {d["driver"]: d for d in ours.get("/v1/drivers").body["data"]}
    assert list(found) == sorted(drivers)
    smtp_driver = found["smtp"]
    assert (smtp_driver["channel"], smtp_driver["label"]) == ("email", "SMTP")
    settings = smtp_driver["settings"]
    assert settings["type"] == "object"
    assert settings["required"] == ["host", "from_email"]
    assert settings["additionalProperties"] is False
    assert settings["properties"]["port"]["type"] == "integer"
    assert settings["properties"]["port"]["default"] == 587
    assert settings["properties"]["security"]["enum"] == ["starttls", "tls", "none"]
    assert settings["properties"]["allowed_from"]["items"]["type"] == "string"
    for driver in found.values():
        secrets = driver["credentials"]["properties"]
        assert all(field["writeOnly"] and "default" not in field for field in secrets.values())
        assert set(driver["credentials"]["required"]) <= set(secrets)
    sms = ours.get("/v1/drivers?channel=sms").body["data"]
    assert [d["driver"] for d in sms] == [k for k, d in found.items() if d["channel"] == "sms"]
