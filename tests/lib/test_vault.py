"""The vault: what is sealed opens for its owner only, and only unchanged."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.vault import BadKey, SealBroken, Vault

OLD, NEW = (base64.urlsafe_b64encode(bytes([n]) * 31 + b"\xff").decode() for n in (0x3B, 0xD7))
vault = Vault([OLD])


@given(clear=st.binary(max_size=200), owner=st.binary(max_size=40))
def test_what_is_sealed_opens(clear: bytes, owner: bytes) -> None:
    sealed = vault.seal(clear, owner=owner)
    assert vault.open(sealed, owner=owner) == clear
    assert len(sealed) == 1 + 4 + 12 + len(clear) + 16
    assert vault.seal(clear, owner=owner) != sealed


@given(clear=st.binary(max_size=50), data=st.data())
def test_any_change_breaks_the_seal(clear: bytes, data: st.DataObject) -> None:
    sealed = vault.seal(clear, owner=b"a")
    place = data.draw(st.integers(0, len(sealed) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(sealed)
    changed[place] ^= 1 << bit
    for broken in (bytes(changed), sealed[:place], sealed + b"\0"):
        with pytest.raises(SealBroken):
            vault.open(broken, owner=b"a")


@given(owner=st.binary(max_size=40), other=st.binary(max_size=40))
def test_another_owner_cannot_open(owner: bytes, other: bytes) -> None:
    sealed = vault.seal(b"secret", owner=owner)
    if other != owner:
        with pytest.raises(SealBroken, match="another owner"):
            vault.open(sealed, owner=other)


def test_the_first_key_seals_and_all_open() -> None:
    sealed = vault.seal(b"secret", owner=b"a")
    both = Vault([NEW, OLD])
    assert both.open(sealed, owner=b"a") == b"secret"
    assert not both.is_current(sealed)
    again = both.seal(b"secret", owner=b"a")
    assert both.is_current(again)
    assert Vault([NEW]).open(again, owner=b"a") == b"secret"
    with pytest.raises(SealBroken, match="no longer configured"):
        vault.open(again, owner=b"a")
    assert Vault([OLD, OLD]).open(sealed, owner=b"a") == b"secret"


def test_a_value_of_the_database_is_read_as_it_comes() -> None:
    sealed = memoryview(vault.seal(b"secret", owner=b"a"))
    assert vault.is_current(bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"secret", b"\x02" + b"0" * 60, b"\x01" * 32])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealBroken):
        vault.open(sealed, owner=b"a")
    assert not vault.is_current(sealed)


def test_made_keys_are_random_and_accepted() -> None:
    keys = {Vault.new_key() for _ in range(50)}
    assert len(keys) == 50
    assert all(len(base64.urlsafe_b64decode(key)) == 32 for key in keys)
    assert Vault([OLD.rstrip("=")]).open(vault.seal(b"x", owner=b"a"), owner=b"a") == b"x"


@pytest.mark.parametrize(
    "key",
    [
        "", "x", "=", "A" * 42, "A" * 44, "A" * 86, base64.urlsafe_b64encode(b"x" * 16).decode(),
        OLD[:-2] + "*=", "*" + OLD, OLD[:20] + "\n" + OLD[20:], OLD + "=", " " + OLD,
        "\u00e4" * 43, OLD[:-2] + "\u00e4=",
    ],
)  # fmt: skip
def test_a_bad_key_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(BadKey) as caught:
        Vault([NEW, key])
    if key.strip():
        assert key not in str(caught.value)


def test_no_key_is_refused() -> None:
    with pytest.raises(BadKey):
        Vault([])


def test_keys_are_not_shown() -> None:
    raw = base64.urlsafe_b64decode(OLD)
    shown = repr(vault) + repr(vault.__dict__)
    assert OLD not in shown
    assert repr(raw)[2:-1] not in shown
