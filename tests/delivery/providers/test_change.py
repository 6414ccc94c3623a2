"""Changing and removing providers, also by several at once."""

from __future__ import annotations

from typing import Any

import pytest

from delivery.models import ProviderHealth
from hiram.lib import ids
from tenants.models import Provider
from tests.delivery.providers.bodies import (
    CANARY,
    made,
    path,
    pause,
    smtp,
    with_login,
)
from tests.tenancy import Caller, caller, make_tenant, together

pytestmark = pytest.mark.django_db


def test_a_change_merges_fields(ours: Caller) -> None:
    provider = made(ours, with_login())

    said = ours.patch(
        path(provider), {"name": "other", "settings": {"port": 26, "from_name": "Us"}}
    )

    assert said.status == 200
    changed = {"name": "other", "updated_at": said.body["updated_at"]}
    assert said.body == provider | changed | {
        "settings": provider["settings"] | {"port": 26, "from_name": "Us"}
    }
    assert said.body["updated_at"] > provider["updated_at"]
    assert ours.get(path(provider)).body == said.body

    said = ours.patch(path(provider), {"settings": {"from_name": None}, "priority": 1})
    assert said.body["settings"] == provider["settings"] | {"port": 26}
    assert (said.body["priority"], said.body["name"]) == (1, "other")

    said = ours.patch(
        path(provider), {"settings": {"username": None}, "credentials": {"password": None}}
    )
    assert (said.status, said.body["credentials_set"]) == (200, [])
    row = Provider.objects.get(pk=ids.parse("prv", provider["id"]))
    assert row.open() == {}
    assert "username" not in row.settings


def test_an_empty_change_changes_nothing(ours: Caller) -> None:
    provider = made(ours, with_login())
    said = ours.patch(path(provider), {})
    assert said.status == 200
    assert said.body == provider | {"updated_at": said.body["updated_at"]}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"driver": "smtp"}, [("/driver", "immutable")]),
        (
            {"channel": "sms", "driver": "twilio"},
            [("/channel", "immutable"), ("/driver", "immutable")],
        ),
        ({"id": "x"}, [("/id", "unknown_field")]),
        ({"tenant_id": "x"}, [("/tenant_id", "unknown_field")]),
        (
            {"name": None, "enabled": None, "settings": None},
            [("/name", "type"), ("/settings", "type"), ("/enabled", "type")],
        ),
        ({"settings": {"host": None}}, [("/settings/host", "required")]),
        ({"settings": {"port": None, "host": 5}}, [("/settings/host", "type")]),
        ({"settings": {"colour": "red"}}, [("/settings/colour", "unknown_field")]),
        ({"credentials": {"password": None}}, [("/credentials/password", "invalid")]),
        ({"credentials": {"token": "x"}}, [("/credentials/token", "unknown_field")]),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(
    ours: Caller, body: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    provider = made(ours, with_login())
    said = ours.patch(path(provider), {"priority": 5} | body)
    assert (said.status, said.errors) == (422, errors)
    assert ours.get(path(provider)).body == provider


def test_a_name_is_taken_once_a_tenant(ours: Caller, stranger: Caller) -> None:
    made(ours, smtp("main"))
    other = made(ours, smtp("other"))
    made(stranger, smtp("main"))

    for said in (
        ours.post("/v1/providers", smtp("main")),
        ours.patch(path(other), {"name": "main", "priority": 1}),
    ):
        assert (said.status, said.body["code"], said.errors) == (
            409, "conflict", [("/name", "taken")],
        )  # fmt: skip
    assert ours.get(path(other)).body == other
    assert ours.patch(path(other), {"name": "other"}).status == 200


@pytest.mark.django_db(transaction=True)
def test_of_many_that_take_a_name_at_once_one_gets_it() -> None:
    ours = caller(make_tenant())

    said = together(8, lambda _: ours.post("/v1/providers", smtp("same")))

    assert sorted(answer.status for answer in said) == [201] + [409] * 7
    assert Provider.objects.filter(tenant=ours.tenant).count() == 1


@pytest.mark.django_db(transaction=True)
def test_changes_at_once_are_all_kept_or_refused() -> None:
    ours = caller(make_tenant())
    provider = made(ours, with_login())
    changes: list[dict[str, Any]] = [
        {"settings": {"from_name": "Us"}},
        {"settings": {"port": 26}},
        {"credentials": {"password": "other"}},
        {"priority": 3},
    ]

    said = together(4, lambda n: ours.patch(path(provider), changes[n]))

    assert [answer.status for answer in said] == [200] * 4
    row = Provider.objects.get(pk=ids.parse("prv", provider["id"]))
    assert (row.settings["from_name"], row.settings["port"], row.priority) == ("Us", 26, 3)
    assert row.open() == {"password": "other"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"credentials": {"password": "new"}}, "usable"),
        ({"settings": {"port": 26}}, "usable"),
        ({"enabled": True}, "usable"),
        ({"priority": 1}, "paused"),
        ({"name": "x"}, "paused"),
        ({}, "paused"),
        ({"enabled": False}, "disabled"),
    ],
)
def test_what_mends_an_account_ends_its_pause(
    ours: Caller, change: dict[str, Any], status: str
) -> None:
    provider = made(ours, with_login())
    pause(provider)
    shown = ours.get(path(provider)).body
    assert (shown["status"], shown["reason"], shown["detail"]) == (
        "paused", "bad_account", "535 5.7.8 no",
    )  # fmt: skip

    shown = ours.patch(path(provider), change).body

    reasons = ("bad_account", "535 5.7.8 no") if status == "paused" else (None, None)
    assert (shown["status"], (shown["reason"], shown["detail"])) == (status, reasons)
    assert ours.get(path(provider)).body == shown
    health = ProviderHealth.objects.get()
    if status == "usable":
        assert (health.paused_at, health.reason) == (None, None)
    else:
        assert health.reason == "bad_account"


def test_a_deleted_provider_is_gone(ours: Caller) -> None:
    provider = made(ours, with_login())
    pause(provider)
    said = ours.delete(path(provider))
    assert (said.status, said.raw) == (204, b"")
    assert said.headers["X-Request-Id"]
    assert [ours.delete(path(provider)).status, ours.get(path(provider)).status] == [404, 404]
    assert (Provider.objects.count(), ProviderHealth.objects.count()) == (0, 0)
    made(ours, with_login())


def test_credentials_that_cannot_be_read_must_be_given_anew(ours: Caller) -> None:
    provider = made(ours, with_login())
    row = Provider.objects.get()
    Provider.objects.update(sealed=bytes(row.sealed)[:-1] + b"\0")

    assert ours.get(path(provider)).body == provider | {"credentials_set": []}
    said = ours.patch(path(provider), {"settings": {"port": 26}})
    assert (said.status, said.errors) == (422, [("/credentials/password", "invalid")])
    assert ours.patch(path(provider), {"priority": 2}).status == 200
    said = ours.post(path(provider, "/test"), {"recipient": "a@b.example"})
    assert (said.body["outcome"], said.body["fault"]) == ("failed", "bad_account")
    said = ours.patch(path(provider), {"credentials": {"password": CANARY}})
    assert (said.status, said.body["credentials_set"]) == (200, ["password"])


def test_a_stored_secret_does_not_follow_to_another_host(ours: Caller) -> None:
    provider = made(ours, with_login())
    elsewhere = {"settings": {"host": "127.0.0.2"}}

    said = ours.patch(path(provider), elsewhere)
    assert (said.status, said.errors) == (422, [("/credentials/password", "required")])
    assert ours.get(path(provider)).body == provider

    said = ours.patch(path(provider), elsewhere | {"credentials": {"password": CANARY}})
    assert (said.status, said.body["settings"]["host"]) == (200, "127.0.0.2")
