"""Partials and the brand in the portal: written as by the API, in effect with the next publish."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils.html import escape

from hiram.lib.problems import Problem
from notifications.catalog import versions
from notifications.catalog.branding import put_brand, put_partial
from notifications.catalog.preview import preview
from notifications.catalog.publish import publish
from notifications.catalog.text import Text
from notifications.models import Brand, TemplatePartial
from tenants.models import Member, Tenant
from tests.portal.conftest import CANARY, People, World, make_template
from tests.tenancy import make_tenant, together

LIST = "/portal/notifications/templatepartial/"
ADD = f"{LIST}add/"
EVIL = "<script>alert(1)</script>"
FORM = {"name": "footer", "body": "<p>{{ brand.name }}</p>"}
BUILDERS = ("developer", "admin", "owner", "operator")


def page_of(row: TemplatePartial, page: str = "change") -> str:
    return f"{LIST}{row.pk}/{page}/"


def made(tenant: Tenant, name: str = "footer", body: str = "<p>Bye</p>") -> TemplatePartial:
    return put_partial(tenant.pk, name, body)[0]


def save(client: Client, url: str, **given: str) -> Any:
    return client.post(url, {"seen": client.get(url).context["seen"]} | given)


def body_of(row: TemplatePartial) -> str:
    row.refresh_from_db()
    return row.body


def said(response: Any) -> str:
    return str(response.content.decode())


# --- Partials ----------------------------------------------------------------------------------
def test_everybody_sees_what_they_say(people: People, ours: World, theirs: World) -> None:
    row, layout = made(ours.tenant, body=EVIL), made(ours.tenant, "layout", "{{ content }}")
    made(theirs.tenant, "foreign")
    page = said(people["viewer"].get(LIST))
    for text in (page_of(row), page_of(layout), "around the HTML of all e-mails"):
        assert text in page
    assert "foreign" not in page
    page = said(people["viewer"].get(page_of(row)))
    assert EVIL not in page
    assert escape("<script>") in page
    assert (
        '{% render "footer" %}'.replace('"', "&quot;") in page or '{% render "footer" %}' in page
    )
    for name in ("edit", "delete"):
        assert f"/{name}/" not in page
        assert page_of(row, name) in said(people["developer"].get(page_of(row)))


@pytest.mark.parametrize("who", BUILDERS)
def test_one_is_made_written_and_deleted(who: str, people: People, ours: World) -> None:
    given = FORM | ({"tenant": str(ours.tenant.pk)} if who == "operator" else {})
    assert people[who].post(ADD, given).status_code == 302
    row = TemplatePartial.objects.get(tenant=ours.tenant)
    assert (row.name, row.body) == ("footer", FORM["body"])
    done = save(people[who], page_of(row, "edit"), body="<p>\r\n{{ brand.name }}</p>")
    assert done["Location"] == page_of(row)
    assert body_of(row) == "<p>\n{{ brand.name }}</p>"
    assert people[who].post(page_of(row, "delete"), {"post": "yes"}).status_code == 302
    assert not TemplatePartial.objects.exists()
    assert LogEntry.objects.filter(object_id=str(row.pk)).count() == 3


def test_a_viewer_writes_nothing(people: People, ours: World) -> None:
    row = made(ours.tenant)
    for url in (ADD, page_of(row, "edit"), page_of(row, "delete"), page_of(row)):
        given = FORM | {"post": "yes", "seen": ""}
        assert people["viewer"].post(url, given).status_code == 403
    assert TemplatePartial.objects.values_list("body", flat=True).get() == "<p>Bye</p>"


@pytest.mark.parametrize(
    ("wrong", "field", "text"),
    [
        ({"name": "Foo"}, "name", "Lower-case"), ({"name": "a/b"}, "name", "Lower-case"),
        ({"name": "x" * 101}, "name", "100"), ({"name": ""}, "name", "required"),
        ({"name": "there"}, "name", "already"), ({"body": ""}, "body", "required"),
        ({"body": "a\nb {{ who"}, "body", "line 2, column"),
        ({"body": "{% nosuch %}"}, "body", "line 1, column"),
        ({"body": "x" * 70_000}, "body", "octets"), ({"body": "a\x00b"}, "body", "ull"),
    ],
    ids=["case", "slash", "long", "no name", "twice", "empty", "output", "tag", "large", "nul"],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(
    wrong: dict[str, str], field: str, text: str, people: People, ours: World
) -> None:
    row = made(ours.tenant, "there")
    response = people["owner"].post(ADD, FORM | wrong)
    errors = response.context["adminform"].form.errors
    assert list(errors) == [field]
    assert text in str(errors[field])
    assert TemplatePartial.objects.get() == row
    if field == "body":
        response = save(people["owner"], page_of(row, "edit"), **wrong)
        assert text in str(response.context["form"].errors["body"])
        assert escape(wrong["body"]) in said(response)
        assert body_of(row) == "<p>Bye</p>"


def test_too_much_together_is_refused(people: People, ours: World) -> None:
    for name in ("one", "two"):
        made(ours.tenant, name, "x" * 60_000)
    response = people["owner"].post(ADD, FORM | {"body": "x" * 60_000})
    assert "octets together" in said(response)
    assert TemplatePartial.objects.count() == 2


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(
    people: People, ours: World
) -> None:
    row = made(ours.tenant)
    url = page_of(row, "edit")
    seen = people["developer"].get(url).context["seen"]
    made(ours.tenant, body="<p>Theirs</p>")
    response = people["developer"].post(url, {"seen": seen, "body": "<p>Mine</p>"})
    assert "meanwhile" in str(response.context["form"].errors["__all__"])
    assert escape("<p>Mine</p>") in said(response)
    assert body_of(row) == "<p>Theirs</p>"
    again = {"seen": response.context["seen"], "body": "<p>Mine</p>"}
    assert people["developer"].post(url, again).status_code == 302
    assert body_of(row) == "<p>Mine</p>"
    assert people["developer"].post(url, {"body": "unseen"}).status_code == 200
    assert body_of(row) == "<p>Mine</p>"


def test_what_is_published_keeps_its_own(people: People, ours: World) -> None:
    row = made(ours.tenant, body="before")
    template = make_template(ours.tenant)
    text = Text({}, "en", {"en": {"subject": "x", "text": "{% render 'footer' %}"}})
    publish(template, versions.draft(template, text).number)
    save(people["developer"], page_of(row, "edit"), body="after")
    assert preview(template, 3, None, {}).parts["text"] == "before"
    publish(template, versions.draft(template, text).number)
    assert preview(template, 4, None, {}).parts["text"] == "after"


def test_the_tenant_of_a_form_is_never_believed(
    people: People, ours: World, theirs: World
) -> None:
    people["owner"].post(ADD, FORM | {"tenant": str(theirs.tenant.pk)})
    assert TemplatePartial.objects.get().tenant == ours.tenant
    Member.objects.create(tenant=theirs.tenant, user=people.users["developer"], role="viewer")
    people["developer"].post(ADD, FORM | {"name": "two", "tenant": str(theirs.tenant.pk)})
    assert TemplatePartial.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_saw_the_same_one_writes() -> None:
    tenant = make_tenant()

    def write(index: int) -> str:
        try:
            put_partial(tenant.pk, "footer", f"{index}", seen="")
            put_brand(tenant.pk, {"n": index}, seen="")
        except Problem as problem:
            return problem.code
        return "written"

    assert sorted(together(4, write)) == ["conflict"] * 3 + ["written"]
    assert TemplatePartial.objects.get().body == str(Brand.objects.get().variables["n"])


# --- The brand ---------------------------------------------------------------------------------
def brand_of(world: World) -> str:
    return f"/portal/tenants/tenant/{world.tenant.pk}/brand/"


def test_everybody_sees_the_brand_and_builders_write_it(people: People, ours: World) -> None:
    url = brand_of(ours)
    page = said(people["viewer"].get(url))
    assert "OUR tenant" in page
    assert "id_variables" not in page
    assert people["viewer"].post(url, {"seen": "", "variables": "{}"}).status_code == 403
    for number, who in enumerate(BUILDERS):
        given = f'{{"color": "#0a7", "year": {2000 + number}, "rate": 1.5, "odd": "{EVIL[:8]}"}}'
        assert save(people[who], url, variables=given)["Location"] == url
        row = Brand.objects.get(tenant=ours.tenant)
        assert row.variables == {
            "color": "#0a7", "year": 2000 + number, "rate": 1.5, "odd": EVIL[:8],
        }  # fmt: skip
    page = said(people["viewer"].get(url))
    for text in ("brand.color", "#0a7", "2003", "brand.name", "the tenant&#x27;s own"):
        assert text in page or text.replace("&#x27;", "'") in page
    assert f"<dd>{EVIL[:8]}" not in page
    logged = LogEntry.objects.filter(object_id=str(ours.tenant.pk))
    assert {entry.change_message for entry in logged} == {"Changed the brand."}
    save(people["owner"], url, variables='{"name": "Other"}')
    assert "the tenant" not in said(people["viewer"].get(url)).partition('id="variables"')[2][:600]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ("{", "line 1, column 2"), ("[]", "must be an object"), ('{"a b": 1}', "a b"),
        ('{"list": []}', "list"), ('{"yes": true}', "yes"), ('{"long": "' + "x" * 2_001 + '"}', "long"),
        ("{" + ", ".join(f'"n{n}": 1' for n in range(101)) + "}", "100"),
    ],
    ids=["json", "array", "name", "list", "boolean", "long", "many"],
)  # fmt: skip
def test_a_wrong_brand_is_not_kept(wrong: str, text: str, people: People, ours: World) -> None:
    put_brand(ours.tenant.pk, {"color": "red"})
    response = save(people["owner"], brand_of(ours), variables=wrong)
    errors = response.context["form"].errors
    assert list(errors) == ["variables"]
    assert text in str(errors["variables"])
    assert escape(wrong) in said(response)
    assert Brand.objects.get().variables == {"color": "red"}


@pytest.mark.parametrize("there", [False, True])
def test_a_brand_that_changed_meanwhile_is_not_overwritten(
    there: bool, people: People, ours: World
) -> None:
    if there:
        put_brand(ours.tenant.pk, {"color": "red"})
    url = brand_of(ours)
    seen = people["owner"].get(url).context["seen"]
    put_brand(ours.tenant.pk, {"color": "green"})
    given = {"seen": seen, "variables": '{"color": "blue"}'}
    response = people["owner"].post(url, given)
    assert "meanwhile" in str(response.context["form"].errors["__all__"])
    assert Brand.objects.get().variables == {"color": "green"}
    again = given | {"seen": response.context["seen"]}
    assert people["owner"].post(url, again).status_code == 302
    assert Brand.objects.get().variables == {"color": "blue"}


def test_the_menu_leads_to_both(people: People, ours: World, theirs: World) -> None:
    page = said(people["viewer"].get("/portal/"))
    assert f'href="{LIST}"' in page
    assert f'href="{brand_of(ours)}"' in page
    chosen = "/portal/tenants/tenant/brand/"
    assert f'href="{chosen}"' in said(people["operator"].get("/portal/"))
    found = said(people["operator"].get(chosen))
    assert brand_of(ours) in found
    assert brand_of(theirs) in found
    page = said(people["viewer"].get(chosen))
    assert brand_of(ours) in page
    assert CANARY not in page
