"""What several do at the same moment, and what a process keeps."""

from __future__ import annotations

import pytest

from hiram.lib import ids
from notifications.catalog.parsed import NOTHING, Entry, Kept, Parsed
from notifications.catalog.variables import Variables
from notifications.models import Template, TemplateVersion
from tests.notifications.catalog.texts import body, made
from tests.tenancy import caller, make_tenant, together

PATH = "/v1/templates"


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_template_is_made(self) -> None:
        api = caller(make_tenant())
        said = together(4, lambda _: api.post(PATH, body()).status)
        assert sorted(said) == [201, 409, 409, 409]
        assert Template.objects.count() == TemplateVersion.objects.count() == 1

    def test_each_draft_has_a_number_and_one_is_published(self) -> None:
        api = caller(make_tenant())
        where = f"{PATH}/{made(api)}"
        numbers = together(4, lambda _: api.post(f"{where}/versions", {}).body["version"])
        assert sorted(numbers) == [2, 3, 4, 5]
        # As many as renderers are there for one after the other; the rest are told to come again.
        said = together(4, lambda n: api.post(f"{where}/publish", {"version": numbers[n]}).status)
        assert set(said) <= {200, 503}
        states = list(TemplateVersion.objects.values_list("state", flat=True))
        assert states.count("published") == 1
        assert states.count("archived") == said.count(200)

    def test_one_seeding_is_enough(self) -> None:
        api = caller(make_tenant())
        said = together(3, lambda _: api.post(f"{PATH}/reset", {}).status)
        assert set(said) == {200}
        assert Template.objects.count() == TemplateVersion.objects.count() == 11


def parsed(size: int) -> Entry:
    version = ids.new()
    return Entry({version: Parsed(version, {}, Variables({}), {}, size)})


def test_what_is_kept_is_bounded_and_the_oldest_go() -> None:
    kept = Kept(octets=100)
    first, second, third = parsed(40), parsed(40), parsed(40)
    kept.put("first", first)
    kept.put("second", second)
    assert kept.get("first") == first
    kept.put("third", third)
    assert (kept.get("second"), kept.get("first"), kept.get("third")) == (NOTHING, first, third)
    kept.put("first", parsed(10))
    kept.put("fourth", parsed(50))
    assert kept.get("third") == third
    kept.put("huge", parsed(1_000))
    assert kept.get("huge").size == 1_000
    assert kept.get("first") is NOTHING
    kept.put("huge", NOTHING)
    assert kept.get("huge") is NOTHING
