"""Explain says what accept and delivery would do, and does nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from delivery.models import ProviderHealth
from notifications.models import Block, Preference
from notifications.suppression import suppress
from tenants.models import SenderConfig, Tenant
from tests.factories import ProviderFactory, TenantFactory, email
from tests.notifications.calls import Api, api
from tests.notifications.catalog.texts import DATA, body, made, sms
from tests.notifications.test_users import put
from tests.tenancy import Caller

EXPLAIN = "/v1/explain"

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def live(tenant: Tenant) -> Api:
    return api(tenant)


def explained(live: Api, given: Any) -> list[Any]:
    before = rows()
    said = live.post(given, EXPLAIN)
    assert said.status == 200, said.body
    assert rows() == before
    return list(said.body["data"])


def rows() -> dict[str, int]:
    """How many rows each table has, but for what notes a key's use."""
    counts = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            cursor.execute(f"SELECT count(*) FROM {model._meta.db_table}")  # noqa: S608
            counts[model._meta.db_table] = cursor.fetchone()[0]
    return counts


def test_a_plain_send(live: Api, tenant: Tenant) -> None:
    provider = ProviderFactory.create(tenant=tenant)
    [one] = explained(live, email())
    assert one | {"provider": None} == {
        "index": 0, "user_id": None, "channel": "email", "recipient": "ada@recipient.example",
        "outcome": "accepted", "reason": None, "at": None, "put_off": False,
        "category": "transactional", "priority": "normal", "template": None,
        "template_version": None, "locale": None,
        "content": {"subject": "Order confirmed", "text": "Thank you."},
        "provider": None, "waits": None, "errors": [],
        "route": {"reason": "only_provider", "scope": None, "passed_over": []},
        "sender": {"address": "hello@sender.example", "name": None},
    }  # fmt: skip
    assert (one["provider"]["name"], one["provider"]["driver"]) == (provider.name, "smtp")


def test_who_would_carry_it_and_why_not_others(live: Api, tenant: Tenant) -> None:
    first = ProviderFactory.create(tenant=tenant, priority=1)
    other = ProviderFactory.create(
        tenant=tenant, priority=2, settings={"from_email": "acme@s.example", "from_name": "Own"}
    )
    SenderConfig.objects.create(
        tenant=tenant, scope="org", scope_id="acme", providers={"email": str(other.pk)},
        from_email="acme@s.example", from_name="Acme",
    )  # fmt: skip
    [one] = explained(live, email(org_id="acme"))
    assert (one["provider"]["name"], one["route"]["reason"], one["route"]["scope"]) == (
        other.name, "scoped", "org",
    )  # fmt: skip
    assert one["sender"] == {"address": "acme@s.example", "name": "Acme"}
    ProviderHealth.objects.create(
        provider_id=first.pk, tenant=tenant, paused_at="2026-01-01T00:00:00Z", reason="bad_account"
    )
    [one] = explained(live, email())
    assert one["provider"]["name"] == other.name
    assert one["route"]["passed_over"] == [{"provider": first.name, "reason": "paused"}]
    assert one["sender"] == {"address": "acme@s.example", "name": "Own"}


def test_without_a_provider_it_would_wait(live: Api) -> None:
    [one] = explained(live, email())
    assert (one["outcome"], one["provider"], one["waits"]) == ("accepted", None, "no_provider")


def test_what_stands_against_it(live: Api, tenant: Tenant) -> None:
    put(live, body={"addresses": {"email": "ana@x.example"}})
    given = {k: v for k, v in email(user_id="u1").items() if k != "recipient"}
    for category, reason in [("transactional", None), ("marketing", "consent")]:
        [one] = explained(live, given | {"category": category})
        assert (one["outcome"], one["reason"]) == ("suppressed" if reason else "accepted", reason)
    Preference.objects.create(
        tenant=tenant, mode="live", user_id="u1", categories={"transactional": {"email": False}}
    )
    assert explained(live, given)[0]["reason"] == "preference"
    suppress(tenant.pk, "live", "email", "ana@x.example", "manual")
    assert explained(live, given)[0]["reason"] == "suppression:manual"
    Block.objects.create(tenant=tenant, mode="live", reason="x")
    assert explained(live, given)[0]["reason"] == "block"


def test_what_does_not_fit(live: Api) -> None:
    [one] = explained(live, email(recipient="no", subject=""))
    assert (one["outcome"], [e["pointer"] for e in one["errors"]]) == (
        "rejected", ["/recipient", "/subject"],
    )  # fmt: skip
    assert live.post([], EXPLAIN).errors == [("", "type")]


def test_a_call_of_notify(live: Api, tenant: Tenant) -> None:
    ProviderFactory.create(tenant=tenant)
    for one in (body(), sms()):
        made(Caller(tenant, live.key), one)
    put(live, body={"addresses": {"email": "ana@x.example"}, "locale": "de"})
    found = explained(live, {
        "template": "auth.reset", "channels": ["email", "sms"],
        "to": [{"user_id": "u1", "data": DATA}, {"sms": "+14155550100"}, {"user_id": "u2"}],
    })  # fmt: skip
    shown = [(one["index"], one["channel"], one["outcome"]) for one in found]
    assert shown == [
        (0, "email", "accepted"), (0, "sms", "rejected"), (1, "email", "rejected"),
        (1, "sms", "rejected"), (2, "email", "rejected"), (2, "sms", "rejected"),
    ]  # fmt: skip
    assert found[0]["content"]["subject"] == "Neues Passwort"
    assert (found[0]["template_version"], found[0]["locale"]) == (1, "de")
    assert [e["pointer"] for e in found[3]["errors"]] == ["/to/1/data/reset_url"]


def test_a_test_key_is_explained_as_what_it_is(tenant: Tenant) -> None:
    put(api(tenant), body={"addresses": {"email": "ana@x.example"}})
    given = {"channel": "email", "user_id": "u1", "subject": "x", "body": "x"}
    [one] = explained(api(tenant, mode="test"), given)
    assert [e["code"] for e in one["errors"]] == ["unknown_user"]


def test_a_key_needs_its_scope(tenant: Tenant) -> None:
    assert Api().post({}, EXPLAIN).status == 401
    assert api(tenant, scopes=("notifications:read",)).post({}, EXPLAIN).code == "forbidden"
