"""`GET /v1/handshake`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from hiram.lib import ids
from tenants.auth import issue_key, revoke_key
from tenants.models import ALL_SCOPES, ApiKey, Tenant
from tests.tenancy import Caller, caller, make_tenant

pytestmark = pytest.mark.django_db


def test_a_key_learns_who_it_is() -> None:
    tenant = make_tenant("Example Ltd", limits={"per_minute": 10})
    expiry = datetime(2099, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    key, text = issue_key(
        tenant,
        name="shop",
        scopes=("providers:read", "notifications:write"),
        expires_at=expiry,
    )
    said = Caller(tenant, text).get("/v1/handshake")
    assert said.status == 200
    assert said.body == {
        "tenant": {"id": ids.show("tnt", tenant.pk), "name": "Example Ltd"},
        "mode": "live",
        "key": {
            "id": ids.show("key", key.pk),
            "name": "shop",
            "prefix": text[:12],
            "expires_at": "2099-01-02T03:04:05.678901Z",
        },
        "scopes": ["notifications:write", "providers:read"],
        "limits": {
            "request_octets": 1_048_576,
            "large_request_octets": 16_777_216,
            "page_rows": 100,
            "per_minute": 10,
        },
    }
    assert text.encode() not in said.raw
    assert key.digest.hex().encode() not in said.raw


@pytest.mark.parametrize(
    ("tenant_mode", "key_mode", "mode"),
    [
        ("live", "live", "live"),
        ("live", "test", "test"),
        ("shadow", "live", "shadow"),
        ("shadow", "test", "test"),
    ],
)
def test_the_mode_is_the_keys_and_else_the_tenants(
    tenant_mode: str, key_mode: str, mode: str
) -> None:
    by = caller(make_tenant(mode=tenant_mode), mode=key_mode)
    assert by.get("/v1/handshake").body["mode"] == mode


def test_no_scope_is_needed_and_bearer_is_as_good() -> None:
    by = caller(make_tenant(), scopes=[])
    assert by.get("/v1/handshake").body["scopes"] == []
    for scheme in ("Bearer", "bearer"):
        response = Client().get("/v1/handshake", headers={"Authorization": f"{scheme} {by.key}"})
        assert response.status_code == 200


def test_every_reason_to_refuse_a_key_looks_the_same() -> None:
    tenant = make_tenant()
    suspended = make_tenant(status=Tenant.Status.SUSPENDED)
    revoked, revoked_text = issue_key(tenant, name="a", scopes=ALL_SCOPES)
    revoke_key(revoked, at=timezone.now())
    _, expired = issue_key(
        tenant, name="b", scopes=ALL_SCOPES, expires_at=timezone.now() - timedelta(seconds=1)
    )
    good = caller(tenant).key
    unknown = caller(tenant).key
    ApiKey.objects.filter(prefix=unknown[:12]).delete()
    wrong = [
        {},
        {"X-Api-Key": ""},
        {"X-Api-Key": "x"},
        {"X-Api-Key": good[:-1] + ("a" if good[-1] != "a" else "b")},
        {"X-Api-Key": good.replace("hk_live_", "hk_test_")},
        {"X-Api-Key": good.upper()},
        {"X-Api-Key": unknown},
        {"X-Api-Key": revoked_text},
        {"X-Api-Key": expired},
        {"X-Api-Key": caller(suspended).key},
        {"Authorization": good},
        {"Authorization": f"Basic {good}"},
        {"Authorization": "Bearer "},
    ]
    bodies = set()
    for headers in wrong:
        response = Client().get("/v1/handshake", headers={"X-Request-Id": "same", **headers})
        assert response.status_code == 401, headers
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="hiram"'
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["X-Request-Id"] == "same"
        bodies.add(response.content)
    assert len(bodies) == 1
    assert Client().get("/v1/handshake", headers={"X-Api-Key": good}).status_code == 200


def test_a_revocation_holds_from_the_next_request_on() -> None:
    tenant = make_tenant()
    key, text = issue_key(tenant, name="a", scopes=ALL_SCOPES)
    by = Caller(tenant, text)
    assert by.get("/v1/handshake").status == 200
    at = timezone.now()
    revoke_key(key, at=at)
    assert by.get("/v1/handshake").status == 401
    revoke_key(key, at=at + timedelta(days=1))
    assert key.revoked_at == at


def test_parameters_and_other_methods_are_refused() -> None:
    by = caller(make_tenant())
    assert by.get("/v1/handshake?x=1").status == 400
    said = by.post("/v1/handshake", {})
    assert (said.status, said.body["code"]) == (405, "method-not-allowed")


def test_strangers_see_themselves() -> None:
    ours, stranger = caller(make_tenant("ours")), caller(make_tenant("stranger"))
    assert ours.get("/v1/handshake").body["tenant"]["name"] == "ours"
    assert stranger.get("/v1/handshake").body["tenant"]["name"] == "stranger"
