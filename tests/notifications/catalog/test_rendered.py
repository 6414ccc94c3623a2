"""From a slug to text for many recipients."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hiram.lib.problems import FieldError
from notifications.catalog.lookup import Sendable, lookup
from notifications.catalog.rendered import Rendered, Wanted, rendered
from tenants.models import Tenant
from tests.notifications.catalog.texts import DATA, DE, EN, body, made, sms
from tests.tenancy import Caller, make_tenant

pytestmark = pytest.mark.django_db


def found(tenant: Tenant, channel: str = "email", slug: str = "auth.reset") -> Sendable:
    one = lookup(tenant.pk, slug, [channel])[channel]
    assert isinstance(one, Sendable), one
    return one


def refusal(tenant: Tenant, channel: str = "email") -> FieldError:
    one = lookup(tenant.pk, "auth.reset", [channel])[channel]
    assert isinstance(one, FieldError)
    return one


def texts(tenant: Tenant, *wanted: Wanted) -> list[Any]:
    return list(rendered(found(tenant), wanted))


def test_each_recipient_gets_its_own_text(tenant: Tenant, api: Caller) -> None:
    made(api)
    one, other = texts(
        tenant,
        Wanted("de-AT", {"user_name": "Ada", **DATA}),
        Wanted("fr", DATA),
    )
    assert isinstance(one, Rendered)
    assert one.locale == "de"
    assert one.fields == {
        "subject": "Neues Passwort",
        "body": f"Hallo Ada: {DATA['reset_url']}",
    } | ({"html": one.fields["html"]} if "html" in one.fields else {})
    assert other.locale == "en"
    assert other.fields["subject"] == "Reset it, there"
    assert other.fields["body"] == f"Hello there: {DATA['reset_url']}"
    assert f'<a href="{DATA["reset_url"]}">' in other.fields["html"]
    assert (one.channel, one.category, one.number) == ("email", "transactional", 1)


def test_what_is_wrong_with_one_recipients_data_is_said_of_it(tenant: Tenant, api: Caller) -> None:
    made(api)
    bad, good, worse = texts(
        tenant, Wanted(None, {}), Wanted(None, DATA), Wanted(None, {"reset_url": 3})
    )
    assert [(e.pointer, e.code) for e in bad] == [("/data/reset_url", "required")]
    assert "reset_url" in bad[0].detail
    assert isinstance(good, Rendered)
    assert [(e.pointer, e.code) for e in worse] == [("/data/reset_url", "type")]


def test_an_undefined_variable_is_named_with_its_line(tenant: Tenant, api: Caller) -> None:
    text = {"subject": "s", "text": "one\ntwo {{ nobody }}"}
    made(api, body(locales={"en": text}, variables={}))
    ((error,),) = texts(tenant, Wanted(None, {}))
    assert (error.pointer, error.code) == ("/data/nobody", "undefined_variable")
    assert "nobody" in error.detail
    assert "line 2" in error.detail
    (one,) = texts(tenant, Wanted(None, {"nobody": "x"}))
    assert one.fields["body"] == "one\ntwo x"


def test_html_is_escaped_and_text_is_not(tenant: Tenant, api: Caller) -> None:
    made(api)
    (one,) = texts(tenant, Wanted("en", {"user_name": "<b>&", **DATA}))
    assert "Hello &lt;b&gt;&amp;, " in one.fields["html"]
    assert one.fields["body"].startswith("Hello <b>&: ")
    assert one.fields["subject"] == "Reset it, <b>&"


def test_a_value_cannot_break_the_subject(tenant: Tenant, api: Caller) -> None:
    made(api)
    (one,) = texts(tenant, Wanted("en", {"user_name": "Eve\r\nBcc: x@y.example", **DATA}))
    assert one.fields["subject"] == "Reset it, Eve Bcc: x@y.example"


def test_the_locale_falls_back_to_the_tenants(api: Caller, tenant: Tenant) -> None:
    tenant.locale = "de-CH"
    tenant.save(update_fields=["locale"])
    made(api)
    for wanted, used in [("en-GB", "en"), ("fr", "de"), (None, "de")]:
        (one,) = texts(tenant, Wanted(wanted, DATA))
        assert one.locale == used


def test_channels_of_a_slug_are_found_together(tenant: Tenant, api: Caller) -> None:
    made(api)
    made(api, sms())
    both = lookup(tenant.pk, "auth.reset")
    assert set(both) == {"email", "sms"}
    (one,) = rendered(found(tenant, "sms"), [Wanted(None, DATA)])
    assert isinstance(one, Rendered)
    assert one.fields == {"body": f"Hi there: {DATA['reset_url']}"}


def test_what_cannot_be_sent_says_why(tenant: Tenant, api: Caller) -> None:
    assert (refusal(tenant).pointer, refusal(tenant).code) == ("/template", "unknown_template")
    assert lookup(tenant.pk, "auth.reset") == {}
    shown = made(api, publish=False)
    assert refusal(tenant).code == "unknown_template"
    api.post(f"/v1/templates/{shown}/publish", {})
    assert refusal(tenant, "sms").code == "unknown_template"
    api.patch(f"/v1/templates/{shown}", {"enabled": False, "disabled_reason": "Legal looks."})
    said = refusal(tenant)
    assert said.code == "template_disabled"
    assert "Legal looks." in said.detail
    api.patch(f"/v1/templates/{shown}", {"enabled": True})
    found(tenant)


def test_another_tenant_has_none_of_it(tenant: Tenant, api: Caller) -> None:
    made(api)
    assert lookup(make_tenant().pk, "auth.reset") == {}


def test_a_publish_holds_from_the_next_send(tenant: Tenant, api: Caller) -> None:
    shown = made(api)
    assert texts(tenant, Wanted("de", DATA))[0].fields["subject"] == "Neues Passwort"
    api.post(
        f"/v1/templates/{shown}/versions",
        {"locales": {"en": EN, "de": DE | {"subject": "Anders"}}},
    )
    assert texts(tenant, Wanted("de", DATA))[0].fields["subject"] == "Neues Passwort"
    api.post(f"/v1/templates/{shown}/publish", {"version": 2})
    (one,) = texts(tenant, Wanted("de", DATA))
    assert (one.fields["subject"], one.number) == ("Anders", 2)
    api.post(f"/v1/templates/{shown}/rollback", {})
    (one,) = texts(tenant, Wanted("de", DATA))
    assert (one.fields["subject"], one.number) == ("Neues Passwort", 1)


def test_one_query_whatever_the_recipients_and_the_text_only_once(
    tenant: Tenant, api: Caller
) -> None:
    made(api)
    made(api, sms())
    wanted = [Wanted(("de", "en", None)[n % 3], {**DATA, "user_name": str(n)}) for n in range(50)]
    sizes = []
    for _ in range(2):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            both = lookup(tenant.pk, "auth.reset", ["email", "sms"])
            for template in both.values():
                assert isinstance(template, Sendable)
                answers = rendered(template, wanted)
                assert all(isinstance(one, Rendered) for one in answers)
        assert len(queries) == 1
        sizes.append(both["email"].parsed)  # type: ignore[union-attr]
    assert sizes[0] is sizes[1]


def test_the_brand_is_not_the_senders_to_give(tenant: Tenant, api: Caller) -> None:
    text = {"subject": "s", "text": "{{ brand.name }} {{ brand.color }}"}
    made(api, body(locales={"en": text}, variables={}))
    ((error,),) = texts(tenant, Wanted(None, {"brand": {"name": "Evil", "color": "red"}}))
    assert (error.pointer, error.code) == ("/template", "undefined_variable")
    assert "brand.color" in error.detail


def test_a_declared_default_may_depend_on_nothing(tenant: Tenant, api: Caller) -> None:
    text = {"subject": "s", "text": "{% if note %}{{ note }}{% endif %}{{ count | default: 2 }}"}
    made(api, body(locales={"en": text}, variables={}))
    (one,) = texts(tenant, Wanted(None, {}))
    assert one.fields["body"] == "2"
