"""The text of keys, and when their use is recorded."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tenants import auth
from tenants.models import ApiKey
from tenants.models.api_key import digest, is_well_formed, new_key
from tests.tenancy import Caller, caller, make_tenant

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DEADLINE_SECONDS = 10


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_key_has_its_shape_and_checksum(mode: str) -> None:
    keys = {new_key(mode) for _ in range(200)}
    assert len(keys) == 200
    for key in keys:
        assert re.fullmatch(rf"hk_{mode}_[0-9A-Za-z]{{36}}", key)
        total = 0
        for character in key[-6:]:
            total = total * 62 + BASE62.index(character)
        assert total == zlib.crc32(key[:-6].encode())
        assert is_well_formed(key)


@given(place=st.integers(0, 43), letter=st.characters())
def test_one_wrong_character_is_noticed(place: int, letter: str) -> None:
    key = new_key("live")
    changed = key[:place] + letter + key[place + 1 :]
    assert is_well_formed(changed) is (changed == key)


@pytest.mark.parametrize("change", ["{}\n", " {}", "{}0", "\0{}", "{}\u0660"])
def test_a_key_has_one_spelling(change: str) -> None:
    assert not is_well_formed(change.format(new_key("live")))


@pytest.mark.django_db
def test_only_the_digest_is_stored() -> None:
    by = caller(make_tenant())
    [row] = ApiKey.objects.values()
    assert row["prefix"] == by.key[:12]
    assert bytes(row["digest"]) == digest(by.key)
    assert by.key[12:] not in repr(row)


def last_use(by: Caller) -> object:
    return ApiKey.objects.get(tenant=by.tenant).last_used_at


@pytest.fixture
def noted(unnoted: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The real recorder, a fresh one, whose thread has ended when the test has."""
    recorder = auth._LastUsed()
    monkeypatch.setattr(auth, "_last_used", recorder)
    yield
    if recorder._thread is not None:
        recorder._thread.join(DEADLINE_SECONDS)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("noted")
def test_a_use_is_recorded_at_most_once_a_minute() -> None:
    by = caller(make_tenant())
    assert last_use(by) is None
    by.get("/v1/handshake")
    until = time.monotonic() + DEADLINE_SECONDS
    while last_use(by) is None:
        assert time.monotonic() < until
    first = last_use(by)

    recent = timezone.now() - timedelta(seconds=30)
    ApiKey.objects.update(last_used_at=recent)
    by.get("/v1/handshake")
    # What was noted is written in order: when a later note is there, an earlier one would be.
    other = caller(make_tenant())
    other.get("/v1/handshake")
    while last_use(other) is None:
        assert time.monotonic() < until
    assert last_use(by) == recent
    assert first is not None

    old = timezone.now() - timedelta(seconds=61)
    ApiKey.objects.filter(tenant=by.tenant).update(last_used_at=old)
    by.get("/v1/handshake")
    while last_use(by) == old:
        assert time.monotonic() < until
