"""Signed tokens: ours, for one purpose, in one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.signing import BadToken, sign, sign_caseless, unsign, unsign_caseless

SECRET, OTHER = "s" * 40, "t" * 40


@given(payload=st.binary(max_size=100), purpose=st.text(max_size=20))
def test_what_is_signed_comes_back(payload: bytes, purpose: str) -> None:
    token = sign(payload, secret=SECRET, purpose=purpose)
    assert unsign(token, secret=SECRET, purpose=purpose) == payload
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert sign(payload, secret=SECRET, purpose=purpose) == token


@given(payload=st.binary(max_size=30), data=st.data())
def test_any_other_spelling_is_refused(payload: bytes, data: st.DataObject) -> None:
    token = sign(payload, secret=SECRET, purpose="a")
    place = data.draw(st.integers(0, len(token)))
    letter = data.draw(st.one_of(st.characters(), st.sampled_from("AB-_+/= \n\0")))
    for changed in (
        token[:place],
        token[:place] + letter + token[place:],
        token[:place] + letter + token[place + 1 :],
        token + "=",
    ):
        if changed == token:
            assert unsign(changed, secret=SECRET, purpose="a") == payload
        else:
            with pytest.raises(BadToken):
                unsign(changed, secret=SECRET, purpose="a")


@given(payload=st.binary(max_size=30), one=st.text(max_size=9), two=st.text(max_size=9))
def test_another_purpose_or_secret_is_refused(payload: bytes, one: str, two: str) -> None:
    token = sign(payload, secret=SECRET, purpose=one)
    with pytest.raises(BadToken):
        unsign(token, secret=OTHER, purpose=one)
    if one != two:
        with pytest.raises(BadToken):
            unsign(token, secret=SECRET, purpose=two)


@given(token=st.text(max_size=60))
def test_any_text_is_refused_and_nothing_worse(token: str) -> None:
    with pytest.raises(BadToken):
        unsign(token, secret=SECRET, purpose="a")


@given(payload=st.binary(max_size=100), data=st.data())
def test_without_cases_it_comes_back_however_they_are_folded(
    payload: bytes, data: st.DataObject
) -> None:
    token = sign_caseless(payload, secret=SECRET, purpose="a")
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyz234567")
    folded = "".join(data.draw(st.sampled_from((c, c.upper()))) for c in token)
    assert unsign_caseless(folded, secret=SECRET, purpose="a") == payload


@given(payload=st.binary(max_size=30), data=st.data())
def test_without_cases_any_other_spelling_is_refused(payload: bytes, data: st.DataObject) -> None:
    token = sign_caseless(payload, secret=SECRET, purpose="a")
    place = data.draw(st.integers(0, len(token)))
    letter = data.draw(st.one_of(st.characters(), st.sampled_from("ab27=018 \n\0\u212a\u0131")))
    for changed in (
        token[:place],
        token[:place] + letter + token[place:],
        token[:place] + letter + token[place + 1 :],
        token + "=",
    ):
        if changed.isascii() and changed.lower() == token:
            assert unsign_caseless(changed, secret=SECRET, purpose="a") == payload
        else:
            with pytest.raises(BadToken):
                unsign_caseless(changed, secret=SECRET, purpose="a")


@given(payload=st.binary(max_size=30), one=st.text(max_size=9), two=st.text(max_size=9))
def test_without_cases_another_purpose_or_secret_is_refused(
    payload: bytes, one: str, two: str
) -> None:
    token = sign_caseless(payload, secret=SECRET, purpose=one)
    with pytest.raises(BadToken):
        unsign_caseless(token, secret=OTHER, purpose=one)
    if one != two:
        with pytest.raises(BadToken):
            unsign_caseless(token, secret=SECRET, purpose=two)
