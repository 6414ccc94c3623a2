"""Templates and their versions by the API."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.models import Notification, Template, TemplateVersion
from tenants.models import Tenant
from tests.notifications.catalog.texts import DATA, DE, EN, VARIABLES, body, made, sms
from tests.tenancy import Caller, caller, make_tenant

pytestmark = pytest.mark.django_db

PATH = "/v1/templates"


class TestCreating:
    def test_the_first_version_is_a_draft(self, api: Caller) -> None:
        said = api.post(PATH, body())
        assert said.status == 201
        assert said.headers["Location"] == f"{PATH}/{said.body['id']}"
        shown = said.body
        assert shown["id"].startswith("tpl_")
        assert (shown["version"], shown["state"], shown["published_version"]) == (1, "draft", None)
        assert shown["locales"] == {"en": EN, "de": DE}
        assert shown["variables"] == VARIABLES
        assert (shown["enabled"], shown["disabled_reason"], shown["system"]) == (True, None, None)
        assert api.get(said.headers["Location"]).body == shown

    def test_a_slug_is_once_a_channel(self, api: Caller) -> None:
        made(api)
        said = api.post(PATH, body())
        assert (said.status, said.body["code"]) == (409, "conflict")
        assert api.post(PATH, sms()).status == 201
        assert caller(make_tenant()).post(PATH, body()).status == 201

    def test_tags_are_written_in_one_way(self, api: Caller) -> None:
        given = body(default_locale="EN-gb", locales={"en_GB": EN, "zh-hant": DE})
        said = api.post(PATH, given)
        assert set(said.body["locales"]) == {"en-GB", "zh-Hant"}
        assert said.body["default_locale"] == "en-GB"

    def test_little_suffices(self, api: Caller) -> None:
        said = api.post(
            PATH, {"slug": "a", "channel": "sms", "locales": {"en": {"text": "Hello."}}}
        )
        assert said.status == 201
        assert (said.body["name"], said.body["category"]) == ("a", "transactional")

    @pytest.mark.parametrize(
        ("fields", "pointer", "code"),
        [
            ({"slug": "Auth"}, "/slug", "invalid"),
            ({"slug": "a/b"}, "/slug", "invalid"),
            ({"slug": "x" * 101}, "/slug", "too_long"),
            ({"slug": ""}, "/slug", "too_short"),
            ({"channel": "pigeon"}, "/channel", "invalid"),
            ({"category": "spam"}, "/category", "not_an_option"),
            ({"locales": {}}, "/locales", "too_few"),
            ({"locales": {"xx-": EN}}, "/locales", "invalid"),
            ({"locales": {"en": EN, "EN": EN}}, "/locales", "invalid"),
            ({"locales": {"en": {"subject": "s"}}}, "/locales/en", "invalid"),
            ({"locales": {"en": {"text": "t"}}}, "/locales/en/subject", "required"),
            ({"locales": {"en": EN | {"mjml": "<mjml></mjml>"}}}, "/locales/en", "invalid"),
            ({"locales": {"en": EN | {"pdf": "x"}}}, "/locales/en/pdf", "unknown_field"),
            ({"locales": {"en": EN | {"html": None}}}, "/locales/en/html", "type"),
            ({"locales": {"en": EN | {"html": "x" * 262_145}}}, "/locales/en/html", "too_long"),
            ({"default_locale": "fr"}, "/default_locale", "not_an_option"),
            ({"default_locale": "french"}, "/default_locale", "invalid"),
            ({"colour": "red"}, "/colour", "unknown_field"),
            ({"variables": {"type": "array"}}, "/variables/type", "not_an_option"),
        ],
    )
    def test_what_cannot_be_is_pointed_at(
        self, api: Caller, fields: dict[str, Any], pointer: str, code: str
    ) -> None:
        said = api.post(PATH, body(**fields))
        assert said.status == 422
        assert (pointer, code) in said.errors
        assert not Template.objects.exists()

    def test_a_text_message_has_text_alone(self, api: Caller) -> None:
        said = api.post(PATH, sms(locales={"en": {"subject": "s", "text": "t"}}))
        assert said.errors == [("/locales/en/subject", "unknown_field")]
        said = api.post(PATH, sms(locales={"en": {"html": "t"}}))
        assert ("/locales/en/text", "required") in said.errors

    def test_a_syntax_error_has_its_line(self, api: Caller) -> None:
        broken = {"subject": "s", "text": "one\n{% if x %}two"}
        said = api.post(PATH, body(locales={"en": broken}))
        assert said.status == 422
        assert said.errors == [("/locales/en/text", "template_syntax")]
        assert "line 2" in said.body["errors"][0]["detail"]
        assert "column" in said.body["errors"][0]["detail"]


class TestChanging:
    def test_what_is_not_text(self, api: Caller) -> None:
        shown = made(api)
        change = {
            "name": "Other",
            "category": "operational",
            "enabled": False,
            "disabled_reason": "why",
        }
        said = api.patch(f"{PATH}/{shown}", change)
        assert said.status == 200
        assert change.items() <= said.body.items()
        said = api.patch(f"{PATH}/{shown}", {"enabled": True})
        assert (said.body["enabled"], said.body["disabled_reason"]) == (True, None)
        assert said.body["name"] == "Other"

    @pytest.mark.parametrize(
        "change",
        [{"slug": "b"}, {"channel": "sms"}, {"name": None}, {"name": ""}, {"locales": {}}],
    )
    def test_the_rest_is_refused(self, api: Caller, change: dict[str, Any]) -> None:
        assert api.patch(f"{PATH}/{made(api)}", change).status == 422

    def test_a_deleted_one_is_gone(self, api: Caller) -> None:
        shown = made(api)
        assert api.delete(f"{PATH}/{shown}").status == 204
        for said in (api.get(f"{PATH}/{shown}"), api.delete(f"{PATH}/{shown}")):
            assert said.status == 404
        assert not TemplateVersion.objects.exists()

    def test_a_list_is_filtered_and_paged(self, api: Caller) -> None:
        email, text = made(api), made(api, sms(category="operational"))
        other = made(api, body(slug="other"), publish=False)
        assert [t["id"] for t in api.get(PATH).body["data"]] == [other, text, email]
        for query, wanted in [
            ("slug=auth.reset", [text, email]), ("channel=sms", [text]),
            ("category=operational", [text]), ("slug=other", [other]), ("slug=nothing", []),
        ]:  # fmt: skip
            assert [t["id"] for t in api.get(f"{PATH}?{query}").body["data"]] == wanted
        page = api.get(f"{PATH}?limit=2")
        assert page.body["has_more"]
        rest = api.get(f"{PATH}?limit=2&cursor={page.body['next_cursor']}")
        assert [t["id"] for t in rest.body["data"]] == [email]
        assert "locales" not in rest.body["data"][0]
        for query in ("channel=fax", "category=x", "name=x"):
            assert api.get(f"{PATH}?{query}").status == 400


class TestVersions:
    def test_what_is_left_out_is_the_latests(self, api: Caller) -> None:
        shown = made(api)
        said = api.post(f"{PATH}/{shown}/versions", {"locales": {"en": EN}})
        assert said.status == 201
        assert said.headers["Location"] == f"{PATH}/{shown}/versions/2"
        assert (said.body["version"], said.body["state"]) == (2, "draft")
        assert said.body["variables"] == VARIABLES
        assert said.body["locales"] == {"en": EN}
        assert api.get(said.headers["Location"]).body == said.body
        assert api.post(f"{PATH}/{shown}/versions", {}).body["locales"] == {"en": EN}
        listed = api.get(f"{PATH}/{shown}/versions").body["data"]
        assert [(v["version"], v["state"]) for v in listed] == [
            (3, "draft"), (2, "draft"), (1, "published"),
        ]  # fmt: skip
        assert api.get(f"{PATH}/{shown}").body["latest_version"] == 3

    def test_a_default_that_goes_with_its_locale_is_missed(self, api: Caller) -> None:
        shown = made(api)
        said = api.post(f"{PATH}/{shown}/versions", {"locales": {"de": DE}})
        assert said.errors == [("/default_locale", "not_an_option")]

    def test_only_a_draft_changes(self, api: Caller) -> None:
        shown = made(api, publish=False)
        where = f"{PATH}/{shown}/versions/1"
        said = api.patch(where, {"locales": {"en": DE}})
        assert (said.status, said.body["locales"]) == (200, {"en": DE})
        api.post(f"{PATH}/{shown}/publish", {"version": 1})
        before = api.get(where).body
        assert api.patch(where, {"locales": {"en": EN}}).body["code"] == "conflict"
        api.post(f"{PATH}/{shown}/versions", {})
        api.post(f"{PATH}/{shown}/publish", {})
        assert api.patch(where, {"locales": {"en": EN}}).status == 409
        assert api.get(where).body == before | {"state": "archived"}

    def test_publish_archives_the_one_before(self, api: Caller) -> None:
        shown = made(api)
        api.post(f"{PATH}/{shown}/versions", {})
        said = api.post(f"{PATH}/{shown}/publish", {"version": 2})
        assert (said.status, said.body["state"]) == (200, "published")
        again = api.post(f"{PATH}/{shown}/publish", {"version": 2})
        assert again.body == said.body
        assert api.post(f"{PATH}/{shown}/publish", {"version": 1}).status == 409
        assert api.post(f"{PATH}/{shown}/publish", {"version": 9}).status == 404
        states = [v["state"] for v in api.get(f"{PATH}/{shown}/versions").body["data"]]
        assert states == ["published", "archived"]

    def test_rollback(self, api: Caller) -> None:
        shown = made(api)
        assert api.post(f"{PATH}/{shown}/rollback", {}).status == 409
        for _ in range(3):
            api.post(f"{PATH}/{shown}/versions", {})
        for number in (2, 3):
            api.post(f"{PATH}/{shown}/publish", {"version": number})
        assert api.post(f"{PATH}/{shown}/rollback", {"version": 4}).status == 409
        for given, wanted in [({}, 2), ({}, 1), ({"version": 3}, 3), ({"version": 3}, 3)]:
            said = api.post(f"{PATH}/{shown}/rollback", given)
            assert (said.status, said.body["version"], said.body["state"]) == (
                200, wanted, "published",
            )  # fmt: skip

    def test_a_diff_shows_lines(self, api: Caller) -> None:
        shown = made(api)
        locales = {"en": EN | {"text": "Other\n"}, "fr": DE}
        api.post(f"{PATH}/{shown}/versions", {"locales": locales})
        said = api.get(f"{PATH}/{shown}/diff?from=1&to=2")
        assert said.status == 200
        assert set(said.body["locales"]) == {"en", "de", "fr"}
        assert set(said.body["locales"]["en"]) == {"text"}
        assert "+Other" in said.body["locales"]["en"]["text"]
        assert said.body["variables"] is None
        same = api.get(f"{PATH}/{shown}/diff?from=1&to=1").body
        assert same["locales"] == {}
        assert api.get(f"{PATH}/{shown}/diff?from=1&to=7").status == 404
        for query in ("from=1", "from=x&to=1", "from=01&to=1"):
            assert api.get(f"{PATH}/{shown}/diff?{query}").status == 400


class TestTrying:
    def test_a_preview_is_what_a_send_says(self, api: Caller) -> None:
        shown = made(api, publish=False)
        said = api.post(f"{PATH}/{shown}/preview", {"locale": "en-GB", "data": DATA})
        assert said.status == 200, said.body
        assert (said.body["locale"], said.body["version"]) == ("en", 1)
        assert said.body["subject"] == "Reset it, there"
        assert f'<a href="{DATA["reset_url"]}">' in said.body["html"]
        parts = [said.body[part] for part in ("subject", "html", "text")]
        assert said.body["size_octets"] == sum(len(part.encode()) for part in parts)
        api.post(f"{PATH}/{shown}/publish", {})
        done = api.post(f"{PATH}/{shown}/preview", {"locale": "en", "data": DATA})
        assert done.body == said.body

    def test_the_published_version_is_previewed_unless_named(self, api: Caller) -> None:
        shown = made(api)
        api.post(f"{PATH}/{shown}/versions", {"locales": {"en": DE}})
        for given, wanted in [({}, 1), ({"version": 2}, 2)]:
            said = api.post(f"{PATH}/{shown}/preview", {"data": DATA, **given})
            assert said.body["version"] == wanted

    def test_what_is_missing_is_named(self, api: Caller) -> None:
        said = api.post(f"{PATH}/{made(api)}/preview", {})
        assert said.errors == [("/data/reset_url", "required")]

    def test_a_test_is_a_notification(self, api: Caller, tenant: Tenant) -> None:
        shown = made(api, publish=False)
        asked = {"recipient": "me@x.example", "locale": "de", "data": DATA, "version": 1}
        for key, mode in [(api, "live"), (caller(tenant, mode="test"), "test")]:
            said = key.post(f"{PATH}/{shown}/send-test", asked)
            assert said.status == 202, said.body
            row = Notification.objects.get(mode=mode)
            assert (row.recipient, row.subject) == ("me@x.example", "Neues Passwort")
        said = api.post(f"{PATH}/{shown}/send-test", asked | {"recipient": "nobody"})
        assert said.errors == [("/recipient", "invalid")]
        assert api.post(f"{PATH}/{shown}/send-test", {"data": DATA}).status == 422

    def test_a_text_too_long_for_its_channel_is_the_templates_fault(self, api: Caller) -> None:
        long = {"en": {"text": "{{ user_name }} {{ reset_url }}"}}
        shown = made(api, sms(locales=long))
        data = DATA | {"user_name": "x" * 1_600}
        said = api.post(f"{PATH}/{shown}/send-test", {"recipient": "+14155550100", "data": data})
        assert said.errors == [("/template", "too_long")]


class TestSharing:
    def test_a_partial_is_written_and_goes(self, api: Caller) -> None:
        where = "/v1/template-partials/footer"
        assert api.get(where).status == 404
        said = api.put(where, {"body": "<p>{{ brand.name }}</p>"})
        assert (said.status, said.body["name"]) == (201, "footer")
        assert api.put(where, {"body": "<p>{{ brand.name }}!</p>"}).status == 200
        assert api.get(where).body["body"].endswith("!</p>")
        assert [p["name"] for p in api.get("/v1/template-partials").body["data"]] == ["footer"]
        assert api.delete(where).status == 204
        assert api.delete(where).status == 404
        said = api.put(where, {"body": "{% if %}"})
        assert said.errors == [("/body", "template_syntax")]
        assert api.put("/v1/template-partials/Foo", {"body": "x"}).status == 404

    def test_the_brand(self, api: Caller, tenant: Tenant) -> None:
        assert api.get("/v1/brand").body == {"variables": {}, "updated_at": None}
        said = api.put("/v1/brand", {"variables": {"name": "Acme", "year": 2026}})
        assert (said.status, said.body["variables"]) == (200, {"name": "Acme", "year": 2026})
        assert api.get("/v1/brand").body == said.body
        bads: list[dict[str, Any]] = [
            {"a b": "x"},
            {"a": None},
            {"a": {}},
            {"a": "x" * 2_001},
            {"a": True},
        ]
        for bad in bads:
            assert api.put("/v1/brand", {"variables": bad}).status == 422

    def test_what_is_published_keeps_partials_and_brand(self, api: Caller, tenant: Tenant) -> None:
        api.put("/v1/template-partials/who", {"body": "I am {{ name }} of {{ brand.name }}"})
        text = {"en": {"text": "{% render 'who', name: 'Ada' %}."}}
        shown = made(api, sms(locales=text, variables={}))
        first = f"I am Ada of {tenant.name}."
        assert api.post(f"{PATH}/{shown}/preview", {}).body["text"] == first
        api.put("/v1/brand", {"variables": {"name": "Acme"}})
        api.put("/v1/template-partials/who", {"body": "{{ name }} at {{ brand.name }}"})
        assert api.post(f"{PATH}/{shown}/preview", {}).body["text"] == first
        api.post(f"{PATH}/{shown}/versions", {})
        api.post(f"{PATH}/{shown}/publish", {})
        assert api.post(f"{PATH}/{shown}/preview", {}).body["text"] == "Ada at Acme."
        api.post(f"{PATH}/{shown}/rollback", {})
        assert api.post(f"{PATH}/{shown}/preview", {}).body["text"] == first


class TestPublishing:
    def test_the_work_is_done(self, api: Caller) -> None:
        mjml = (
            "<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ user_name }}</mj-text>"
            "</mj-column></mj-section></mj-body></mjml>"
        )
        styled = "<style>p { color: red }</style><p>Hello {{ user_name }} {{ reset_url }}</p>"
        locales = {"en": {"subject": "s", "mjml": mjml}, "de": {"subject": "s", "html": styled}}
        shown = made(api, body(locales=locales))
        row = TemplateVersion.objects.get()
        assert row.locales == locales
        assert row.worked is not None
        done = row.worked["locales"]
        assert set(done["en"]) == set(done["de"]) == {"subject", "html", "text"}
        said = api.post(f"{PATH}/{shown}/preview", {"locale": "de", "data": DATA}).body
        assert 'style="color: red' in said["html"]
        assert said["text"] == f"Hello there {DATA['reset_url']}"
        said = api.post(f"{PATH}/{shown}/preview", {"locale": "en", "data": DATA}).body
        assert "<mj-text>" not in said["html"]
        assert "Hello there" in said["text"]

    def test_what_has_flaws_is_not_published(self, api: Caller) -> None:
        locales = {"en": EN, "de": {"subject": "s", "mjml": "<mjml>\n<mj-body><mj-none/></mjml>"}}
        shown = made(api, body(locales=locales), publish=False)
        said = api.post(f"{PATH}/{shown}/publish", {})
        assert said.status == 422
        assert [pointer for pointer, _ in said.errors] == ["/locales/de/mjml"]
        assert api.get(f"{PATH}/{shown}").body["state"] == "draft"

    def test_a_partial_that_is_gone_is_missed(self, api: Caller) -> None:
        api.put("/v1/template-partials/foot", {"body": "Bye"})
        text = {"en": {"text": "{{ user_name }} {% render 'foot' %}"}}
        shown = made(api, sms(locales=text), publish=False)
        api.delete("/v1/template-partials/foot")
        said = api.post(f"{PATH}/{shown}/publish", {})
        assert [pointer for pointer, _ in said.errors] == ["/locales/en/text"]
        assert "foot" in said.body["errors"][0]["detail"]
