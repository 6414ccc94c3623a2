"""Templates in the portal: written by developers, published by admins, shown as they are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from notifications.catalog import templates, versions
from notifications.catalog.publish import publish
from notifications.catalog.text import Text
from notifications.models import Template, TemplateVersion
from portal.highlight import pieces
from portal.queries.templates import sample
from tests.portal.conftest import People, World, make_template

LIST = "/portal/notifications/template/"
ADD = f"{LIST}add/"
EVIL = "<script>alert(1)</script>"
FORM = {
    "slug": "shop.order", "channel": "email", "name": "An order", "category": "transactional",
    "default_locale": "en", "subject": "Order {{ number }}", "html": "<p>{{ number }}</p>",
    "text": "Order {{ number }}", "variables": '{"type": "object", "required": ["number"]}',
}  # fmt: skip


def page_of(row: Template, page: str = "change", **query: object) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{LIST}{row.pk}/{page}/{f'?{asked}' if asked else ''}"


def entered(client: Client, url: str, **changes: str) -> dict[str, Any]:
    """What the editor's page would send, with some fields filled in otherwise."""
    form = client.get(url).context["form"]
    said = {name: form[name].value() for name in form.fields}
    text = {name: value for name, value in said.items() if isinstance(value, str)}
    return text | {"locale": form.tags, "seen": client.get(url).context["seen"]} | changes


def said(response: Any) -> str:
    return str(response.content.decode())


def test_the_list_shows_what_is_known(people: People, ours: World) -> None:
    row = make_template(ours.tenant, name=f"Reset {EVIL}")
    templates.change(row, {"enabled": False, "disabled_reason": "Wrong"})
    page = said(people["viewer"].get(LIST))
    for text in ("auth.reset", "email", "transactional", "published", "de, en", "no"):
        assert text in page
    assert EVIL not in page
    assert escape(EVIL) in page
    found = {"channel": "email", "category": "transactional", "enabled": "0", "q": "auth"}
    assert str(row.pk) in said(people["viewer"].get(LIST, found))
    for name, other in (("channel", "sms"), ("category", "marketing"), ("enabled", "1")):
        assert str(row.pk) not in said(people["viewer"].get(LIST, {name: other}))


def test_the_list_asks_as_much_for_many(people: People, ours: World) -> None:
    viewer = people["viewer"]

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert viewer.get(LIST).status_code == 200
        return len(queries)

    make_template(ours.tenant)
    few = asked()
    text = Text({}, "en", {"en": {"text": "Hi"}})
    fields = {"channel": "sms", "name": "x", "category": "operational"}
    for number in range(8):
        templates.create(ours.tenant.pk, fields | {"slug": f"s{number}"}, text)
    assert asked() == few


def test_the_page_shows_the_text_and_the_versions(people: People, ours: World) -> None:
    row = make_template(ours.tenant, text=EVIL)
    page = said(people["viewer"].get(page_of(row)))
    assert "Version 1" in page
    assert "Version 2" in page
    assert EVIL not in page
    assert '<span class="hiram-code-output">{{ who }}</span>' in page
    german = said(people["viewer"].get(page_of(row, version=1, locale="de")))
    assert "Hallo." in german
    assert people["viewer"].get(page_of(row, version=9)).status_code == 404
    assert people["viewer"].get(page_of(row, version="x")).status_code == 404


@pytest.mark.parametrize("who", ["viewer", "developer", "admin", "operator"])
def test_each_sees_the_buttons_that_are_theirs(who: str, people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    page = said(people[who].get(page_of(row, version=2)))
    seen = {name for name in ("edit", "publish", "disable", "preview") if f"/{name}/" in page}
    expected = {
        "viewer": {"preview"}, "developer": {"preview", "edit"},
    }.get(who, {"preview", "edit", "publish", "disable"})  # fmt: skip
    assert seen == expected


def test_a_template_is_made_with_its_first_draft(people: People, ours: World) -> None:
    done = people["developer"].post(ADD, FORM, follow=True)
    row = Template.objects.get(slug="shop.order")
    assert (row.tenant, row.name, row.channel) == (ours.tenant, "An order", "email")
    version = versions.latest(row)
    assert (version.number, version.state, version.default_locale) == (1, "draft", "en")
    assert version.locales["en"]["html"] == "<p>{{ number }}</p>"
    assert "Its first version is a draft" in said(done)
    again = said(people["developer"].post(ADD, FORM))
    assert "There is one already on this channel." in again
    assert Template.objects.filter(tenant=ours.tenant).count() == 1


@pytest.mark.parametrize(
    ("wrong", "field", "text"),
    [
        ({"slug": "No Slug"}, "slug", ""),
        ({"subject": ""}, "subject", "needs a subject"),
        ({"html": "<p>\n  {% if x %}</p>"}, "html", "line"),
        ({"text": "Hi {{ x | nosuch }}"}, "text", "line 1, column"),
        ({"variables": '{"type":\n nope}'}, "variables", "line 2, column 2"),
        ({"variables": "[]"}, "variables", "must be an object"),
        ({"default_locale": "german!"}, "default_locale", ""),
        ({"channel": "sms"}, None, "no such part"),
        ({"name": "a\x00b"}, "name", ""),
    ],
    ids=["slug", "no subject", "unclosed", "filter", "json", "list", "tag", "channel", "nul"],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(
    wrong: dict[str, str], field: str | None, text: str, people: People, ours: World
) -> None:
    response = people["owner"].post(ADD, FORM | wrong)
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    if field is not None:
        assert field in errors
    assert text in str(errors)
    assert not Template.objects.filter(tenant=ours.tenant).exists()


def test_a_draft_is_changed_and_gets_another_locale(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    url = page_of(row, "edit", version=2)
    given = entered(people["developer"], url, **{
        "en-text": "Line one\r\nLine {{ who }}", "new-locale": "pt_br", "new-subject": "Olá",
        "new-text": "Olá.",
    })  # fmt: skip
    done = people["developer"].post(url, given)
    assert done["Location"] == page_of(row, version=2)
    version = versions.numbered(row, 2)
    assert version.locales["en"]["text"] == "Line one\nLine {{ who }}"
    assert version.locales["pt-BR"] == {"subject": "Olá", "text": "Olá."}
    assert versions.published(row) == versions.numbered(row, 1)
    [entry] = LogEntry.objects.filter(object_id=str(row.pk))
    assert "Wrote version 2." in entry.change_message
    given = entered(people["developer"], url, **{"pt-BR-remove": "on", "preview": "1"})
    done = people["developer"].post(url, given)
    assert done["Location"] == page_of(row, "preview", version=2)
    assert list(versions.numbered(row, 2).locales) == ["en"]


def test_of_a_published_version_another_draft_is_made(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    before = TemplateVersion.objects.filter(template=row, number=1).values().get()
    url = page_of(row, "edit", version=1)
    given = entered(people["developer"], url, **{"de-text": "Hallo!"})
    assert people["developer"].post(url, given)["Location"] == page_of(row, version=3)
    assert TemplateVersion.objects.filter(template=row, number=1).values().get() == before
    assert versions.numbered(row, 3).locales["de"]["text"] == "Hallo!"


@pytest.mark.parametrize(
    ("wrong", "field", "text"),
    [
        ({"en-text": "a\nb {{ who"}, "en-text", "line 2, column"),
        ({"en-html": "{% nosuch %}"}, "en-html", "line 1, column"),
        ({"en-mjml": "<mjml></mjml>"}, "en-subject", "html or mjml"),
        ({"new-locale": "german!"}, "new-locale", "language tag"),
        ({"new-locale": "en"}, "new-locale", "already"),
        ({"new-text": "x"}, "new-locale", "which locale"),
        ({"new-locale": "fr", "new-text": "x"}, "new-subject", "needs a subject"),
        ({"en-remove": "on"}, "__all__", ""),
        ({"default_locale": "fr"}, "default_locale", "one of the locales"),
        ({"variables": '{"type": "object", "properties": {"a": {"type": "nope"}}}'}, "variables", "a/type"),
        ({"seen": "other"}, "__all__", "meanwhile"),
    ],
    ids=["output", "tag", "both", "no tag", "twice", "untold", "new", "none left", "default",
         "schema", "changed"],
)  # fmt: skip
def test_a_wrong_draft_is_not_kept_and_nothing_typed_is_lost(
    wrong: dict[str, str], field: str, text: str, people: People, ours: World
) -> None:
    row = make_template(ours.tenant)
    url = page_of(row, "edit", version=2)
    before = TemplateVersion.objects.filter(template=row, number=2).values().get()
    response = people["developer"].post(url, entered(people["developer"], url, **wrong))
    errors = response.context["form"].errors
    assert field in errors
    assert text in str(errors[field])
    for name, value in wrong.items():
        if name != "seen":
            assert value == "on" or escape(value) in said(response)
    assert TemplateVersion.objects.filter(template=row, number=2).values().get() == before


def test_a_form_without_its_locales_is_refused(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    url = page_of(row, "edit", version=2)
    odd = {"locale": [EVIL, "x" * 5_000]}
    response = people["developer"].post(url, entered(people["developer"], url) | odd)
    assert response.status_code == 200
    assert EVIL not in said(response)


def test_a_preview_says_what_a_send_would(people: People, ours: World) -> None:
    row = make_template(ours.tenant, text="Hello")
    url = page_of(row, "preview", version=1)
    assert "Hello you." in said(people["viewer"].get(url))
    given = {"locale": "en", "given": json.dumps({"who": EVIL})}
    page = said(people["viewer"].post(url, given))
    assert EVIL not in page
    # In the frame it is escaped twice: by the template, and as an attribute of the page.
    assert escape(escape(EVIL)) in page
    frames = re.findall(r"<iframe[^>]*>", page)
    assert len(frames) == 2
    assert all('sandbox=""' in frame for frame in frames)
    assert "Hallo." in said(people["viewer"].post(url, {"locale": "de", "given": ""}))


@pytest.mark.parametrize(
    ("given", "text"),
    [('{"who": 3}', "string"), ("{", "line 1, column 2"), ("[]", "must be an object")],
    ids=["type", "json", "list"],
)
def test_wrong_data_are_said_at_the_data(
    given: str, text: str, people: People, ours: World
) -> None:
    row = make_template(ours.tenant)
    response = people["viewer"].post(page_of(row, "preview"), {"locale": "en", "given": given})
    assert text in str(response.context["form"].errors["given"])
    assert "<iframe" not in said(response)


def test_two_versions_are_compared(people: People, ours: World) -> None:
    row = make_template(ours.tenant, text=EVIL)
    page = said(people["viewer"].get(page_of(row, "diff", **{"from": 1, "to": 2})))
    assert f"+{escape(EVIL)} anew." in page
    assert f"-{escape(EVIL)} {{{{ who }}}}." in page
    assert "de: subject" in page
    assert EVIL not in page
    same = said(people["viewer"].get(page_of(row, "diff", **{"from": 1, "to": 1})))
    assert "They say the same." in same


def test_an_admin_publishes_and_rolls_back(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    url = page_of(row, "publish", version=2)
    for who in ("viewer", "developer"):
        assert people[who].post(url).status_code == 403
    seen = people["admin"].get(url).context["seen"]
    assert "changed meanwhile" in said(people["admin"].post(url, {"seen": "other"}))
    assert versions.numbered(row, 2).state == "draft"
    assert people["admin"].post(url, {"seen": seen})["Location"] == page_of(row, version=2)
    assert versions.published(row) == versions.numbered(row, 2)
    assert "only a draft is published" in said(people["admin"].get(url))
    back = page_of(row, "rollback", version=1)
    assert people["developer"].post(back).status_code == 403
    assert "says again" in said(people["admin"].get(back))
    people["admin"].post(back)
    assert versions.published(row) == versions.numbered(row, 1)
    logged = " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert "Published version 2." in logged
    assert "Rolled back to version 1." in logged
    draft = versions.draft(row, versions.text_of(versions.numbered(row, 1)))
    never = page_of(row, "rollback", version=draft.number)
    assert "Choose an archived version" in said(people["admin"].post(never))


def test_what_cannot_be_published_says_where_it_is_wrong(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    text = Text({}, "en", {"en": {"subject": "x", "html": "{% render 'gone' %}"}})
    versions.draft(row, text)
    url = page_of(row, "publish", version=3)
    seen = people["admin"].get(url).context["seen"]
    page = said(people["admin"].post(url, {"seen": seen}))
    assert "there is no partial gone (line 1" in page
    assert "en, html" in page
    assert versions.numbered(row, 3).state == "draft"


def test_it_is_disabled_with_a_reason_and_enabled(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    url = page_of(row, "disable")
    assert people["developer"].post(url, {"reason": "x"}).status_code == 403
    for wrong in ("", "x" * 501, "a\nb\x07"):
        assert people["admin"].post(url, {"reason": wrong}).status_code == 200
    assert people["admin"].post(url, {"reason": f"Wrong {EVIL}"}).status_code == 302
    row.refresh_from_db()
    assert (row.enabled, row.disabled_reason) == (False, f"Wrong {EVIL}")
    page = said(people["viewer"].get(page_of(row)))
    assert escape(EVIL) in page
    assert EVIL not in page
    assert people["developer"].post(page_of(row, "enable")).status_code == 403
    people["admin"].post(page_of(row, "enable"))
    row.refresh_from_db()
    assert (row.enabled, row.disabled_reason) == (True, "")


def test_many_versions_are_pages(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    text = versions.text_of(versions.numbered(row, 2))
    for _ in range(40):
        versions.draft(row, text)
    first = said(people["viewer"].get(page_of(row)))
    assert "Version 42<" in first
    assert "Version 12<" not in first
    assert "?before=13" in first
    assert "Version 12<" in said(people["viewer"].get(page_of(row, before=13)))


def test_a_system_text_that_is_published_is_only_looked_at(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    assert publish(row, 2).state == "published"
    for who in ("viewer", "developer", "owner"):
        assert people[who].post(page_of(row), {"name": "x"}).status_code == 403


def test_samples_have_something_for_each_variable() -> None:
    declared = {
        "a": {"type": "string"}, "b": {"type": "integer"}, "c": {"default": "x"},
        "d": {"enum": [1, 2]}, "e": {"type": "array"}, "f": True, "g": {"examples": ["y"]},
    }  # fmt: skip
    assert sample({"type": "object", "properties": declared}) == {
        "a": "a", "b": 1, "c": "x", "d": 1, "e": [], "f": "f", "g": "y",
    }  # fmt: skip
    assert sample({}) == {}


@pytest.mark.parametrize(
    "source",
    [
        "",
        "plain",
        "<p>{{ a }}</p>",
        "{{ open",
        "{% x",
        "<!-- {{",
        "{{ a }} } %}",
        "a < b",
        "<a {{b}}>",
    ],
)
def test_highlighting_loses_nothing(source: str) -> None:
    assert "".join(text for _, text in pieces(source)) == source
