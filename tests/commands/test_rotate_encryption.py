"""rotate_encryption."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hiram.lib import ids
from hiram.lib.vault import Vault
from tenants.models import Provider, Tenant
from tenants.models.provider import vault
from tests.commands.running import CANARY, done, failed, said
from tests.tenancy import make_tenant

pytestmark = pytest.mark.django_db

old, new, lost = (Vault.new_key() for _ in range(3))


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(*keys: str, kind: type[Vault] = Vault) -> None:
        monkeypatch.setattr(vault, "_wrapped", kind(keys))

    return use


def providers(count: int, tenant: Tenant | None = None) -> list[Provider]:
    tenant = tenant or make_tenant()
    rows = [
        Provider(tenant=tenant, channel="email", driver="smtp", name=f"{n} {ids.new()}")
        for n in range(count)
    ]
    for n, row in enumerate(rows):
        row.seal({"password": f"{CANARY} {n}"})
    return Provider.objects.bulk_create(rows)


def test_everything_is_sealed_with_the_first_key(keys: Any) -> None:
    keys(old)
    rows = providers(3)
    never = providers(1)[0]
    Provider.objects.filter(pk=never.pk).update(sealed=b"")
    before = {row.pk: row.updated_at for row in Provider.objects.all()}
    keys(new, old)
    fresh = providers(2)

    assert done("rotate_encryption") == {"rotated": 3, "current": 3, "unreadable": []}

    keys(new)
    for n, row in enumerate(rows):
        row.refresh_from_db()
        assert row.open() == {"password": f"{CANARY} {n}"}
        assert row.updated_at == before[row.pk]
    assert fresh[1].open() == {"password": f"{CANARY} 1"}
    assert done("rotate_encryption") == {"rotated": 0, "current": 6, "unreadable": []}
    assert said("rotate_encryption") == "rotated: 0\ncurrent: 6\n"


def test_more_than_a_chunk(keys: Any) -> None:
    keys(old)
    providers(1_001)
    keys(new, old)
    assert done("rotate_encryption")["rotated"] == 1_001
    keys(new)
    assert done("rotate_encryption")["current"] == 1_001


def test_what_cannot_be_read_is_named_and_the_rest_is_done(keys: Any) -> None:
    keys(lost)
    [gone] = providers(1)
    keys(old)
    mine, theirs = providers(1)[0], providers(1)[0]
    Provider.objects.filter(pk=theirs.pk).update(sealed=mine.sealed)
    keys(new, old)

    facts = failed("rotate_encryption")

    assert (facts["rotated"], facts["current"]) == (1, 0)
    assert facts["unreadable"] == [
        {
            "provider_id": ids.show("prv", row.pk),
            "tenant_id": ids.show("tnt", row.tenant_id),
            "name": row.name,
            "why": why,
        }
        for row, why in (
            (gone, "sealed with a key that is no longer configured"),
            (theirs, "sealed for another owner, or changed"),
        )
    ]
    assert CANARY not in json.dumps(facts)
    gone_before = bytes(gone.sealed)
    gone.refresh_from_db()
    assert bytes(gone.sealed) == gone_before


def test_a_change_at_the_same_moment_is_kept(keys: Any) -> None:
    keys(old)
    changed, deleted = providers(2)
    old_key = Vault([old])

    class Racing(Vault):
        """Changes the row between its being read and written, once."""

        raced = False

        def seal(self, clear: bytes, *, owner: bytes) -> bytes:
            if not Racing.raced:
                Racing.raced = True
                late = old_key.seal(b'{"password": "late"}', owner=changed.owner)
                Provider.objects.filter(pk=changed.pk).update(sealed=late)
                Provider.objects.filter(pk=deleted.pk).delete()
            return super().seal(clear, owner=owner)

    keys(new, old, kind=Racing)
    assert done("rotate_encryption")["unreadable"] == []

    changed.refresh_from_db()
    assert changed.open() == {"password": "late"}
    assert vault.is_current(bytes(changed.sealed))
    assert Provider.objects.count() == 1
