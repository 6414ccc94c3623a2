"""System templates."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.catalog.lookup import Sendable, lookup
from notifications.catalog.rendered import Rendered, Wanted, rendered
from notifications.catalog.seeds import seed, texts
from notifications.models import Template, TemplateVersion
from notifications.rendering import work
from tenants.models import Tenant
from tests.commands.running import done
from tests.notifications.catalog.texts import body, made
from tests.tenancy import Caller, make_tenant

pytestmark = pytest.mark.django_db

PATH = "/v1/templates"
LOCALES = ["de", "en", "es", "fr", "pt"]
FULL: dict[str, Any] = {
    "user_name": "Zoë <b>", "expires_in_minutes": 30, "changed_at": "today", "due_date": "1 May",
    "reset_url": "https://a.example/?a=1&b=2", "verify_url": "https://a.example/v",
    "login_url": "https://a.example/l", "support_url": "https://a.example/s",
    "start_url": "https://a.example/", "secure_url": "https://a.example/x",
    "invoice_url": "https://a.example/i", "invoice_number": "R-1", "amount": "49.00 EUR",
    "event": "A new device logged in.", "happened_at": "now", "device": "a phone",
    "location": "Vienna",
}  # fmt: skip


def least(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: FULL[name] for name in schema.get("required", [])}


def test_what_comes_with_hiram() -> None:
    assert sorted(text.folder for text in texts()) == [
        "auth.email-verification.email", "auth.magic-link.email", "auth.magic-link.sms",
        "auth.password-changed.email", "auth.password-changed.sms", "auth.password-reset.email",
        "auth.password-reset.sms", "auth.security-alert.email", "auth.security-alert.sms",
        "billing.invoice.email", "welcome.email",
    ]  # fmt: skip
    for text in texts():
        assert sorted(text.text.locales) == LOCALES
        for parts in text.text.locales.values():
            assert set(parts) == (
                {"text"} if text.channel == "sms" else {"subject", "html", "text"}
            )


def test_each_can_be_sent_in_each_language_with_little_and_with_much(tenant: Tenant) -> None:
    seed(tenant.pk)
    for text in texts():
        found = lookup(tenant.pk, text.slug)[text.channel]
        assert isinstance(found, Sendable)
        wanted = [
            Wanted(locale, data)
            for locale in LOCALES
            for data in (least(dict(text.text.variables)), FULL)
        ]
        for asked, one in zip(wanted, rendered(found, wanted), strict=True):
            assert isinstance(one, Rendered), (text.folder, one)
            assert one.locale == asked.locale
            assert all(one.fields.values())
            assert "{" not in "".join(one.fields.values()).replace("{{", "{")
            if text.channel == "sms":
                assert len(one.fields["body"]) < 300
            else:
                assert tenant.name in one.fields["body"]
                assert "<b>" not in one.fields["html"]


def test_seeding_again_changes_nothing(tenant: Tenant) -> None:
    assert len(seed(tenant.pk)) == 11
    assert seed(tenant.pk) == []
    assert Template.objects.filter(tenant=tenant).count() == 11
    assert done("templates", "seed", "--tenant", tenant.name) == {"tenants": 1, "seeded": 0}


def test_a_tenants_own_of_that_slug_stays(api: Caller, tenant: Tenant) -> None:
    own = made(api, body(slug="welcome", name="Mine"))
    assert len(seed(tenant.pk)) == 10
    shown = api.get(f"{PATH}/{own}").body
    assert (shown["name"], shown["system"], shown["version"]) == ("Mine", None, 1)
    said = api.post(f"{PATH}/reset", {})
    assert said.status == 200
    assert len(said.body["data"]) == 10
    assert api.get(f"{PATH}/{own}").body == shown


def test_new_tenants_have_them() -> None:
    made_one = done("create_tenant", "Fresh")
    assert made_one["name"] == "Fresh"
    tenant = Tenant.objects.get(name="Fresh")
    assert Template.objects.filter(tenant=tenant).count() == 11
    other = make_tenant("Old")
    assert done("templates", "seed") == {"tenants": 2, "seeded": 11}
    assert Template.objects.filter(tenant=other).count() == 11


def test_a_system_text_becomes_the_tenants_with_its_first_version(
    api: Caller, tenant: Tenant
) -> None:
    seed(tenant.pk)
    before = api.get(f"{PATH}?slug=welcome").body["data"][0]
    assert (before["version"], before["state"], before["system"]) == (0, "published", "welcome")
    said = api.post(PATH, body(slug="welcome"))
    assert said.status == 201
    assert said.body["id"] == before["id"]
    assert (said.body["version"], said.body["state"]) == (1, "draft")
    assert said.body["published_version"] == 0
    assert api.post(PATH, body(slug="welcome")).status == 409
    found = lookup(tenant.pk, "welcome")["email"]
    assert isinstance(found, Sendable)
    assert found.number == 0
    api.post(f"{PATH}/{before['id']}/publish", {"version": 1})
    found = lookup(tenant.pk, "welcome")["email"]
    assert isinstance(found, Sendable)
    assert found.number == 1


def test_reset_brings_the_text_back_and_keeps_the_tenants(api: Caller, tenant: Tenant) -> None:
    seed(tenant.pk)
    shown = api.post(PATH, body(slug="welcome")).body["id"]
    api.post(f"{PATH}/{shown}/publish", {})
    said = api.post(f"{PATH}/reset", {"slug": "welcome"})
    assert [(t["slug"], t["version"]) for t in said.body["data"]] == [("welcome", 2)]
    versions = {v["version"]: v for v in api.get(f"{PATH}/{shown}/versions").body["data"]}
    assert versions[2]["locales"] == versions[0]["locales"]
    assert [versions[n]["state"] for n in (0, 1, 2)] == ["archived", "archived", "published"]
    again = api.post(f"{PATH}/reset", {"slug": "welcome"})
    assert again.body["data"][0]["version"] == 2
    back = api.post(f"{PATH}/{shown}/rollback", {"version": 1})
    assert (back.status, back.body["version"]) == (200, 1)


def test_reset_brings_a_deleted_one_back(api: Caller, tenant: Tenant) -> None:
    assert len(api.post(f"{PATH}/reset", {}).body["data"]) == 11
    shown = api.get(f"{PATH}?slug=welcome").body["data"][0]["id"]
    api.delete(f"{PATH}/{shown}")
    assert len(api.post(f"{PATH}/reset", {"slug": "welcome"}).body["data"]) == 1
    assert TemplateVersion.objects.filter(template__slug="welcome").count() == 1
    said = api.post(f"{PATH}/reset", {"slug": "nothing"})
    assert said.errors == [("/slug", "not_an_option")]


def test_the_brand_names_the_sender_of_a_system_text(api: Caller, tenant: Tenant) -> None:
    api.put("/v1/brand", {"variables": {"name": "Acme"}})
    seed(tenant.pk)
    shown = api.get(f"{PATH}?slug=welcome").body["data"][0]["id"]
    assert api.post(f"{PATH}/{shown}/preview", {}).body["subject"] == "Welcome to Acme"


def test_publishing_a_system_text_changes_little_of_it() -> None:
    """They are seeded without the work: it would take seconds, and only write the HTML anew."""
    for text in texts():
        if text.channel == "email":
            done_to = work(text.text.locales["de"], {})
            assert isinstance(done_to, dict)
            written = text.text.locales["de"]
            assert (done_to["subject"], done_to["text"]) == (written["subject"], written["text"])
            for line in ("{{ brand.name }}", 'lang="de"', "{% if user_name"):
                assert line in done_to["html"]


def test_a_layout_goes_around_what_is_brought_back(api: Caller, tenant: Tenant) -> None:
    api.put("/v1/template-partials/layout", {"body": "<body><b>Top</b>{{ content }}</body>"})
    said = api.post(f"{PATH}/reset", {"slug": "welcome"})
    shown = said.body["data"][0]["id"]
    html = api.post(f"{PATH}/{shown}/preview", {}).body["html"]
    assert "<b>Top</b>" in html
    assert "Your account is ready." in html
