"""What of the portal opens for whom, besides the pages of models."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tenants.models import Member
from tests.portal.conftest import CANARY, People, World

ROLES = ("viewer", "developer", "admin", "owner")


@pytest.mark.parametrize("who", ["anonymous", "outsider", *ROLES, "operator"])
def test_nothing_is_autocompleted(who: str, people: People, theirs: World) -> None:
    for model, field in (("member", "user"), ("member", "tenant"), ("apikey", "tenant")):
        query = {"app_label": "tenants", "model_name": model, "field_name": field, "term": ""}
        response = people[who].get(reverse("admin:autocomplete"), query)
        seen = CANARY in response.content.decode()
        if who in ("anonymous", "outsider"):
            assert (response.status_code, seen) == (302, False)
        elif who == "operator" or (field == "tenant"):
            assert response.status_code == 200
            assert seen == (who == "operator")
        else:
            assert (response.status_code, seen) == (403, False)


@pytest.mark.parametrize("who", ["anonymous", "outsider", *ROLES, "operator"])
def test_pages_of_the_site(who: str, people: People, theirs: World) -> None:
    inside = who not in ("anonymous", "outsider")
    expected = {
        "/portal/": 200 if inside else 302,
        "/portal/login/": 302 if inside else 200,
        "/portal/password_change/": 200 if inside else 302,
        "/portal/password_change/done/": 200 if inside else 302,
        "/portal/jsi18n/": 200 if inside else 302,
        "/portal/tenants/": 200 if inside else 302,
        "/portal/tenants/tenant/policies/": 200 if inside else 302,
        "/portal/notifications/": 200 if inside else 302,
        "/portal/portal/": 302 if not inside else 200 if who == "operator" else 404,
        "/portal/auth/": 404 if inside else 302,
        "/portal/search/": 404 if inside else 302,
        "/portal/r/1/1/": 404 if inside else 302,
        "/portal/nowhere": 404 if inside else 302,
        "/portal/mailbox/": 404 if inside else 302,
        "/portal/password-reset/": 200,
        "/portal/password-reset/sent/": 200,
        "/portal/password-reset/done/": 200,
        "/portal/password-reset/x/y/": 200,
        "/portal/invite/unknown/": 404,
        "/trestleboard/": 200,
        "/trestleboard/feed.atom": 200,
    }
    answers = {}
    for url in expected:
        response = people[who].get(url)
        answers[url] = response.status_code
        assert who == "operator" or CANARY not in response.content.decode(), url
    assert answers == expected


def test_a_member_of_two_tenants_sees_both_and_acts_by_his_role_in_each(
    people: People, ours: World, theirs: World
) -> None:
    Member.objects.create(tenant=theirs.tenant, user=people.users["developer"], role="viewer")
    client = people["developer"]
    keys = client.get("/portal/tenants/apikey/").content.decode()
    assert "OUR key" in keys
    assert f"{CANARY} key" in keys
    only = client.get(
        "/portal/tenants/apikey/", {"tenant": str(theirs.tenant.pk)}
    ).content.decode()
    assert "OUR key" not in only
    assert f"{CANARY} key" in only
    answers = [
        client.get(f"/portal/tenants/apikey/{world.key.pk}/revoke/").status_code
        for world in (ours, theirs)
    ]
    assert answers == [200, 403]
    form = client.get("/portal/tenants/apikey/add/").content.decode()
    assert str(ours.tenant.pk) in form
    assert str(theirs.tenant.pk) not in form


def test_who_is_removed_has_lost_it_with_the_next_click(people: People, ours: World) -> None:
    client = people["owner"]
    assert client.get("/portal/").status_code == 200
    Member.objects.filter(user=people.users["owner"]).delete()
    assert client.get("/portal/").status_code == 302
    assert client.get(f"/portal/tenants/apikey/{ours.key.pk}/change/").status_code == 302


def test_who_is_inactive_is_logged_out(people: People) -> None:
    user = people.users["operator"]
    user.is_active = False
    user.save(update_fields=["is_active"])
    assert people["operator"].get("/portal/").status_code == 302
