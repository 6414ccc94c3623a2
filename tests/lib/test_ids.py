"""Ids: one thing, one spelling."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.ids import MalformedId, new, parse, show

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
prefixes = st.sampled_from(["ntf", "tnt", "prv", "key"])


@given(prefix=prefixes, value=st.uuids())
def test_what_is_shown_is_parsed(prefix: str, value: UUID) -> None:
    shown = show(prefix, value)
    assert len(shown) == 30
    assert set(shown[4:]) <= set(ALPHABET)
    assert parse(prefix, shown) == value


@given(a=st.uuids(), b=st.uuids())
def test_shown_ids_sort_as_their_values(a: UUID, b: UUID) -> None:
    assert (show("ntf", a) < show("ntf", b)) == (a.int < b.int)


@given(value=st.uuids(), place=st.integers(0, 29), letter=st.characters())
def test_another_character_is_another_id_or_none(value: UUID, place: int, letter: str) -> None:
    shown = show("ntf", value)
    changed = shown[:place] + letter + shown[place + 1 :]
    try:
        parsed = parse("ntf", changed)
    except MalformedId:
        assert changed != shown
    else:
        assert (parsed == value) is (changed == shown)
        assert show("ntf", parsed) == changed


@given(text=st.text(max_size=40))
def test_any_text_is_an_id_or_malformed(text: str) -> None:
    with pytest.raises(MalformedId):
        parse("ntf", text)


@pytest.mark.parametrize(
    "text",
    [
        "", "ntf", "ntf_", "_", "tnt_" + "0" * 26, "NTF_" + "0" * 26, "ntf_" + "0" * 25,
        "ntf_" + "0" * 27, "ntf_" + "0" * 25 + "_", "ntf_" + "0" * 25 + "I", "ntf_" + "o" * 26,
        "ntf_8" + "0" * 25, "ntf_" + "Z" * 26, "ntf_" + "0" * 26 + "\n", " ntf_" + "0" * 26,
        "ntf_" + "\uff10" * 26, "ntf_" + "\u0660" * 26, "ntf_" + "0" * 10_000,
        "00000000-0000-0000-0000-000000000000",
    ],
)  # fmt: skip
def test_what_is_no_id_is_malformed(text: str) -> None:
    with pytest.raises(MalformedId) as caught:
        parse("ntf", text)
    assert len(str(caught.value)) < 100


def test_the_limits() -> None:
    assert show("ntf", UUID(int=0)) == "ntf_" + "0" * 26
    assert show("ntf", UUID(int=2**128 - 1)) == "ntf_7" + "Z" * 25
    assert parse("ntf", "ntf_7" + "Z" * 25).int == 2**128 - 1


def test_new_ids_are_version_7_and_rise() -> None:
    made = [new() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(value.version, value.variant) for value in made} == {(7, "specified in RFC 4122")}
    assert isinstance(made[0], UUID)
