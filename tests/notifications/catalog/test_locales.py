"""Which locale is used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.locales import LOCALE_CHARACTERS, locale
from notifications.catalog.locales import chosen

LANGUAGES = st.sampled_from(["de", "en", "zh", "pt", "haw"])
SCRIPTS = st.sampled_from(["", "-Hant", "-Latn"])
REGIONS = st.sampled_from(["", "-AT", "-DE", "-BR", "-419"])
TAGS = st.builds(lambda *parts: "".join(parts), LANGUAGES, SCRIPTS, REGIONS)
SPELT = st.builds(
    lambda tag, flips: "".join(
        ("_" if c == "-" else c.swapcase()) if flip else c
        for c, flip in zip(tag, flips, strict=False)
    ),
    TAGS,
    st.lists(st.booleans(), min_size=12, max_size=12),
)


def language(tag: str) -> str:
    return tag.partition("-")[0]


@pytest.mark.parametrize(
    ("given_tag", "kept"),
    [
        ("de-at", "de-AT"), ("DE", "de"), ("zh_hant_tw", "zh-Hant-TW"), ("ES-419", "es-419"),
        ("sl-Rozaj", "sl-rozaj"), ("de-CH-1996", "de-CH-1996"),
    ],
)  # fmt: skip
def test_a_tag_has_one_spelling(given_tag: str, kept: str) -> None:
    assert locale(given_tag) == kept


@pytest.mark.parametrize(
    "text",
    ["", "d", "deut", "de-", "-de", "de--AT", "de-A", "x-own", "de-x-own", "../de", "dé", "de AT",
     "de-" + "abcde-" * 10 + "abcde", "de\n"],
)  # fmt: skip
def test_what_is_no_tag_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="language tag"):
        locale(text)


@given(SPELT)
def test_spelling_it_again_changes_nothing(text: str) -> None:
    tag = locale(text)
    assert locale(tag) == tag
    assert tag.lower() == text.replace("_", "-").lower()
    assert len(tag) <= LOCALE_CHARACTERS


@given(st.none() | TAGS, TAGS, TAGS, st.sets(TAGS))
def test_fallback(wanted: str | None, tenant: str, default: str, others: set[str]) -> None:
    available = others | {default}
    used = chosen(wanted, tenant, default, available)
    assert used in available
    if wanted in available:
        assert used == wanted
    elif wanted is not None and language(wanted) in available:
        # Never past the language, and never another region of it.
        assert wanted.startswith(used)
    elif wanted is None or not any(wanted.startswith(tag) for tag in available):
        if tenant in available:
            assert used == tenant
        elif language(tenant) in available:
            assert tenant.startswith(used)
        elif not any(tenant.startswith(tag) for tag in available):
            assert used == default


@given(TAGS, TAGS, st.sets(TAGS, min_size=1))
def test_more_locales_never_take_an_exact_one_away(
    wanted: str, tenant: str, available: set[str]
) -> None:
    default = min(available)
    assert chosen(wanted, tenant, default, available | {wanted}) == wanted


@given(TAGS, st.text(max_size=8))
def test_a_tenants_locale_that_is_none_does_no_harm(default: str, tenant: str) -> None:
    assert chosen("qq", tenant, default, {default}) == default
