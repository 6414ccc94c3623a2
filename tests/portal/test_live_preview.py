"""The editor's live preview: what is typed is rendered, and nothing of it is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notifications.catalog import templates, versions
from notifications.catalog.text import Text
from notifications.models import Template, TemplatePartial, TemplateVersion
from notifications.rendering.pool import _ours
from tests.portal.conftest import People, World, make_template
from tests.portal.test_templates import ADD, EVIL, entered, page_of

QUERIES = 9
"""Session, user, roles, template, version; the tenant's name, partials, brand and locale."""


def typed(client: Client, row: Template, version: int = 2, /, **changes: Any) -> dict[str, Any]:
    """What the page's script posts, with some fields filled in otherwise."""
    fields = entered(client, page_of(row, "edit", version=version))
    return fields | {"live-locale": "en", "live-given": "{}"} | changes


def asked(people: People, row: Template, version: int = 2, /, **changes: Any) -> Any:
    client = people["developer"]
    fields = typed(client, row, version, **changes)
    response = client.post(page_of(row, "live", version=version), fields)
    assert response.status_code == 200
    return response.json()


def stored() -> dict[str, Any]:
    """How many rows there are of everything, and what a draft could have been changed in."""
    counts: dict[str, Any] = {m._meta.label: m._default_manager.count() for m in apps.get_models()}
    return counts | {"texts": list(TemplateVersion.objects.order_by("pk").values())}


def test_what_is_typed_is_shown_and_not_kept(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    changes = {
        "en-subject": "  Dear\n {{ who }} ", "en-html": "<p>Good {{ daytime }}, {{ who }}</p>",
        "en-text": "", "live-given": '{"who": "Ada", "daytime": "<b>day</b>"}',
    }  # fmt: skip
    fields = typed(people["developer"], row, **changes)
    before = stored()
    answer = people["developer"].post(page_of(row, "live", version=2), fields).json()
    assert stored() == before
    assert answer["subject"] == "Dear Ada"
    assert answer["text"] == "Good <b>day</b>, Ada"
    assert answer["html"].startswith('<!DOCTYPE html><meta charset="utf-8"><meta http-equiv=')
    assert "<p>Good &lt;b&gt;day&lt;/b&gt;, Ada</p>" in answer["html"]
    assert (answer["locale"], answer["locales"]) == ("en", ["en"])
    assert answer["size"].endswith("bytes")


def test_it_is_what_the_draft_would_say(people: People, ours: World) -> None:
    """The two pages have one way to make it: partials, layout and brand are in both."""
    TemplatePartial.objects.create(
        tenant=ours.tenant, name="layout", body="<body>{{ content }}{{ brand.name }}</body>"
    )
    row = make_template(ours.tenant)
    live = asked(people, row, **{"live-given": '{"who": "Ada"}'})
    given = {"locale": "en", "given": '{"who": "Ada"}'}
    made = people["developer"].post(page_of(row, "preview", version=2), given).context["made"]
    assert (live["subject"], live["text"]) == (made.parts["subject"], made.parts["text"])
    assert live["html"].endswith(made.parts["html"])
    assert "OUR tenant</body>" in live["html"]


@pytest.mark.parametrize(
    ("wanted", "used"),
    [("de", "de"), ("de_AT", "de"), ("pt-BR", "pt-BR"), ("pt", "fr"), ("", "fr"), ("fr-CA", "fr")],
)
def test_the_locale_falls_back_as_in_a_send(
    wanted: str, used: str, people: People, ours: World
) -> None:
    ours.tenant.locale = "fr-BE"
    ours.tenant.save(update_fields=["locale"])
    row = make_template(ours.tenant)
    tags = ("de", "en", "fr", "pt-BR")
    said = {tag: {"subject": tag, "text": f"In {tag}."} for tag in tags}
    versions.change(versions.latest(row), Text({}, "en", said))
    answer = asked(people, row, **{"live-locale": wanted})
    assert (answer["locale"], answer["text"]) == (used, f"In {used}.")


def test_a_locale_that_is_being_added_or_removed(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    new = {"new-locale": "pt_br", "new-subject": "Olá", "new-text": "Olá."}
    answer = asked(people, row, **new, **{"live-locale": "pt-BR"})
    assert (answer["locale"], answer["subject"]) == ("pt-BR", "Olá")
    assert answer["locales"] == ["en", "pt-BR"]
    gone = {"en-remove": "on", "default_locale": "pt-BR", "live-locale": "en"}
    answer = asked(people, row, **new, **gone)
    assert (answer["locale"], answer["locales"]) == ("pt-BR", ["pt-BR"])


@pytest.mark.parametrize(
    ("wrong", "field", "label", "text"),
    [
        ({"en-text": "a\nb {{ who"}, "en-text", "en, Text", "line 2, column"),
        ({"en-html": "\n{% nosuch %}"}, "en-html", "en, HTML", "line 2, column 4"),
        ({"en-mjml": "<mjml></mjml>"}, "en-subject", "en, Subject", "html or mjml"),
        ({"en-html": "", "en-mjml": "<mjml><mj-bod></mjml>"}, "en-mjml", "en, MJML", "line 1"),
        ({"en-html": "{% render 'gone' %}"}, "en-html", "en, HTML", "no partial 'gone' (line 1"),
        ({"new-locale": "german!"}, "new-locale", "new, Language tag", "language tag"),
        ({"default_locale": "fr"}, "default_locale", "Default locale", "one of the locales"),
        ({"variables": '{"a":\n nope}'}, "variables", "Variables", "line 2, column 2"),
        ({"live-given": '{"who": 3}'}, "live-given", "Data", "string"),
        ({"live-given": "{"}, "live-given", "Data", "line 1, column 2"),
        ({"en-text": "{{ new }}"}, "live-given", "Data", "variable new is not defined (en text, line 1)"),
        ({"en-text": "{{ brand.new }}"}, "", "", "brand.new is not defined"),
        ({"live-locale": "no tag"}, "live-locale", "Locale", "language tag"),
        ({"en-remove": "on"}, "", "", ""),
        ({"en-text": "x" * (256 * 1024 + 1)}, "en-text", "en, Text", "262144"),
        ({"en-text": "{% for a in (1..100) %}{% for b in (1..100) %}{% for c in (1..100) %}"
          "x{% endfor %}{% endfor %}{% endfor %}"}, "", "", ""),
    ],
    ids=["output", "tag", "both", "mjml", "partial", "no tag", "default", "schema", "type", "json",
         "undefined", "brand", "locale", "none left", "long", "loops"],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_field(
    wrong: dict[str, str], field: str, label: str, text: str, people: People, ours: World
) -> None:
    row = make_template(ours.tenant)
    answer = asked(people, row, **wrong)
    assert set(answer) == {"findings"}
    found = answer["findings"]
    assert (found[0]["field"], found[0]["label"]) == (field, label), found
    assert text in found[0]["detail"]


def test_text_and_data_are_told_at_once(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    answer = asked(people, row, **{"en-text": "{{ who", "live-given": "["})
    assert [one["field"] for one in answer["findings"]] == ["en-text", "live-given"]


def test_a_draft_that_somebody_else_changed_can_still_be_looked_at(
    people: People, ours: World
) -> None:
    assert "findings" not in asked(people, make_template(ours.tenant), seen="other")


def test_a_text_message(people: People, ours: World) -> None:
    fields = {"slug": "code", "channel": "sms", "name": "Code", "category": "transactional"}
    row, _ = templates.create(ours.tenant.pk, fields, Text({}, "en", {"en": {"text": "x"}}))
    typed_in = {"en-text": "{{ who }}", "live-given": '{"who": "Zoë"}'}
    answer = asked(people, row, 1, **typed_in)
    assert (answer["subject"], answer["html"], answer["text"]) == (None, None, "Zoë")
    assert answer["size"] == "4\xa0bytes"


def test_who_may_write_may_try(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    url = page_of(row, "live", version=2)
    fields = typed(people["developer"], row)
    answers = {who: client.post(url, fields).status_code for who, client in people.clients.items()}
    assert answers == {
        "anonymous": 302, "outsider": 302, "viewer": 403, "developer": 200, "admin": 200,
        "owner": 200, "operator": 200,
    }  # fmt: skip


def test_another_tenants_template_is_not_there(people: People, ours: World, theirs: World) -> None:
    fields = typed(people["developer"], make_template(ours.tenant))
    url = page_of(theirs.template, "live")
    clients = [people[who] for who in ("viewer", "developer", "admin", "owner")]
    before = stored()
    for client in clients:
        for method in ("get", "post"):
            response = getattr(client, method)(url, fields)
            assert response.status_code == 404
    assert stored() == before


@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
def test_it_is_only_posted(method: str, people: People, ours: World) -> None:
    response = getattr(people["developer"], method)(page_of(make_template(ours.tenant), "live"))
    assert (response.status_code, response["Allow"]) == (405, "POST")


def test_the_forms_token_is_needed(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    fields = typed(people["developer"], row)
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.users["developer"])
    assert client.post(page_of(row, "live"), fields).status_code == 403
    token = client.get(page_of(row, "edit")).context["csrf_token"]
    fields["csrfmiddlewaretoken"] = str(token)
    assert client.post(page_of(row, "live"), fields).status_code == 200


def test_when_the_renderers_are_busy_it_says_so(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    fields = typed(people["developer"], row)
    # Of two, one tenant has at most one.
    with _ours._lent(str(ours.tenant.pk)):
        response = people["developer"].post(page_of(row, "live"), fields)
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert response.json() == {"busy": "The renderers are busy."}


def test_a_look_costs_as_much_whatever_was_typed(people: People, ours: World) -> None:
    row = make_template(ours.tenant)
    more = {"new-locale": "fr", "new-subject": "x", "new-text": EVIL * 1_000}
    for changes in ({}, more):
        fields = typed(people["developer"], row, **changes)
        with CaptureQueriesContext(connection) as queries:
            response = people["developer"].post(page_of(row, "live", version=2), fields)
        assert "findings" not in response.json()
        assert len(queries) == QUERIES, [query["sql"][:200] for query in queries]
        assert {query["sql"].split()[0] for query in queries} == {"SELECT"}


def test_the_page_has_the_preview_and_hides_it_until_there_is_a_script(
    people: People, ours: World
) -> None:
    row = make_template(ours.tenant)
    response = people["developer"].get(page_of(row, "edit", version=2))
    page = response.content.decode()
    script = '<script src="/static/portal/editor.js" type="module"></script>'
    assert script in page
    assert script in people["developer"].get(ADD).content.decode()
    assert f'data-url="{page_of(row, "live", version=2)}" hidden>' in page
    assert 'sandbox=""' in page
    assert json.loads(response.context["trying"]["given"].value()) == {"who": "you"}
    assert "script-src 'self' 'unsafe-eval'" in response["Content-Security-Policy"]
