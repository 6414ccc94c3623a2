"""create_tenant, issue_key, list_keys, revoke_key."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from hiram.lib import ids, rfc3339
from tenants.models import ALL_SCOPES, ApiKey, Tenant
from tests.commands.running import done, refused, said
from tests.tenancy import Caller, make_tenant

pytestmark = pytest.mark.django_db


def test_a_tenant_is_made() -> None:
    made = done("create_tenant", "  Example Ltd ", "--mode", "shadow")
    row = Tenant.objects.get()
    assert made == {
        "tenant_id": ids.show("tnt", row.pk),
        "name": "Example Ltd",
        "mode": "shadow",
    }
    assert (row.name, row.mode, row.is_system) == ("Example Ltd", "shadow", False)
    assert said("create_tenant", "Other").splitlines()[1:] == ["name: Other", "mode: live"]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201, "tnt_x", "\x1b[31m", "EXAMPLE"])
def test_a_tenant_that_cannot_be_is_refused(name: str) -> None:
    make_tenant("Example")
    assert refused("create_tenant", name)
    assert Tenant.objects.count() == 1


def test_a_key_is_issued_and_opens() -> None:
    tenant = make_tenant("Example")
    made = done("issue_key", "Example", "--name", "shop", "--test", "--expires", "30d")
    key = ApiKey.objects.get()
    assert made == {
        "key_id": ids.show("key", key.pk),
        "api_key": made["api_key"],
        "tenant_id": ids.show("tnt", tenant.pk),
        "name": "shop",
        "mode": "test",
        "scopes": list(ALL_SCOPES),
        "expires_at": rfc3339.show(key.expires_at or timezone.now()),
    }
    ahead = (key.expires_at or timezone.now()) - timezone.now()
    assert timedelta(days=30) - ahead < timedelta(minutes=1)
    assert Caller(tenant, made["api_key"]).get("/v1/handshake").body["key"]["name"] == "shop"

    by_id = done("issue_key", made["tenant_id"], "--scopes", "providers:read, providers:write")
    assert by_id["scopes"] == ["providers:write", "providers:read"]
    assert by_id["expires_at"] is None
    exact = done("issue_key", "Example", "--expires", "2099-01-02T03:04:05+01:00")
    assert exact["expires_at"] == "2099-01-02T02:04:05.000000Z"


@pytest.mark.parametrize(
    "words",
    [
        ("Nobody",), ("example",), ("tnt_x",), (ids.show("tnt", ids.new()),),
        ("Example", "--scopes", ""), ("Example", "--scopes", "providers:read,x"),
        ("Example", "--scopes", "providers:read,"),
        ("Example", "--name", " "), ("Example", "--name", "x" * 101),
        ("Example", "--expires", "0d"), ("Example", "--expires", "-1d"),
        ("Example", "--expires", "1y"), ("Example", "--expires", "999999999w"),
        ("Example", "--expires", "2001-01-01T00:00:00Z"), ("Example", "--expires", "tomorrow"),
        ("Example", "--expires", "2099-01-01"), ("Example", "--expires", ""),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_is_refused(words: tuple[str, ...]) -> None:
    make_tenant("Example")
    assert refused("issue_key", *words)
    assert ApiKey.objects.count() == 0


def test_keys_are_listed_without_their_text() -> None:
    make_tenant("A")
    make_tenant("B")
    texts = [done("issue_key", name, "--name", name.lower())["api_key"] for name in "ABA"]
    assert done("list_keys", "B") == {
        "data": [
            {
                "id": ids.show("key", ApiKey.objects.get(name="b").pk),
                "tenant_id": ids.show("tnt", Tenant.objects.get(name="B").pk),
                "tenant": "B",
                "name": "b",
                "prefix": texts[1][:12],
                "mode": "live",
                "status": "active",
                "scopes": list(ALL_SCOPES),
                "created_at": rfc3339.show(ApiKey.objects.get(name="b").created_at),
                "expires_at": None,
                "last_used_at": None,
                "revoked_at": None,
            }
        ]
    }
    done("revoke_key", texts[0])
    ApiKey.objects.filter(name="b").update(expires_at=timezone.now())
    listed = done("list_keys")["data"]
    assert [(k["tenant"], k["status"]) for k in listed] == [
        ("A", "revoked"), ("A", "active"), ("B", "expired"),
    ]  # fmt: skip
    table = said("list_keys")
    assert len(table.splitlines()) == 4
    for text in texts:
        assert text not in table + json.dumps(listed)
    assert refused("list_keys", "Nobody")


def test_a_key_is_revoked_by_id_prefix_or_text() -> None:
    tenant = make_tenant("Example")
    for named in ("key_id", "prefix", "shown", "api_key"):
        made = done("issue_key", "Example")
        by = Caller(tenant, made["api_key"])
        made |= {"prefix": by.key[:12], "shown": by.key[:12] + "…"}
        assert by.get("/v1/handshake").status == 200
        gone = done("revoke_key", made[named])
        assert by.get("/v1/handshake").status == 401
        again = done("revoke_key", made[named])
        assert again == gone
        assert gone["key_id"] == made["key_id"]
        assert by.key not in json.dumps(gone)


def test_a_prefix_of_several_keys_revokes_none() -> None:
    make_tenant("Example")
    made = [done("issue_key", "Example") for _ in range(2)]
    ApiKey.objects.update(prefix="hk_live_same")
    text = refused("revoke_key", "hk_live_same")
    assert all(key["key_id"] in text for key in made)
    for wrong in ("hk_live_", "", "key_1", ids.show("key", ids.new()), "x" * 10_000):
        text = refused("revoke_key", wrong)
        assert len(text) < 11_000
    wrong = made[0]["api_key"][:-1]
    assert wrong not in refused("revoke_key", wrong)
    assert ApiKey.objects.filter(revoked_at=None).count() == 2
