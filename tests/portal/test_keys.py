"""API keys in the portal: made, shown once, revoked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.utils import timezone

from tenants.auth import _find
from tenants.models import ApiKey, Member
from tenants.models.api_key import digest, is_well_formed
from tests.portal.conftest import People, World

ADD = "/portal/tenants/apikey/add/"
FORM = {"name": "backend", "mode": "live", "scopes": ["notifications:write"], "lifetime": ""}


def _texts(content: bytes) -> set[str]:
    return {
        t for t in re.findall(r"hk_(?:live|test)_\w{36}", content.decode()) if is_well_formed(t)
    }


def test_a_key_is_shown_in_one_answer_and_nowhere_else(people: People, ours: World) -> None:
    client = people["developer"]
    response = client.post(ADD, FORM)
    assert response.status_code == 200
    [text] = _texts(response.content)
    assert "no-store" in response["Cache-Control"]
    assert "no-cache" in response["Cache-Control"]
    key = ApiKey.objects.get(digest=digest(text))
    assert (key.tenant, key.name, key.mode) == (ours.tenant, "backend", "live")
    assert (key.scopes, key.expires_at) == (["notifications:write"], None)
    assert _find(digest(text)) is not None
    for url in ("/portal/tenants/apikey/", f"/portal/tenants/apikey/{key.pk}/change/", "/portal/"):
        assert text[12:] not in client.get(url).content.decode()
    session = Session.objects.get(session_key=client.session.session_key)
    assert text not in str(session.get_decoded())
    for entry in LogEntry.objects.all():
        assert text[12:] not in f"{entry.object_repr} {entry.change_message}"


def test_the_same_form_sent_again_makes_no_second_key(people: People, ours: World) -> None:
    first = people["owner"].post(ADD, FORM)
    again = people["owner"].post(ADD, FORM)
    assert len(_texts(first.content)) == 1
    assert _texts(again.content) == set()
    assert "A key of this name is in use" in again.content.decode()
    assert ApiKey.objects.filter(tenant=ours.tenant, name="backend").count() == 1


def test_the_name_of_a_revoked_key_is_free_again(people: People, ours: World) -> None:
    people["owner"].post(ADD, FORM)
    ApiKey.objects.filter(name="backend").update(revoked_at=timezone.now())
    assert len(_texts(people["owner"].post(ADD, FORM).content)) == 1


def test_lifetime_and_mode(people: People) -> None:
    response = people["admin"].post(ADD, FORM | {"mode": "test", "lifetime": "30"})
    [text] = _texts(response.content)
    assert text.startswith("hk_test_")
    expires_at = ApiKey.objects.get(digest=digest(text)).expires_at
    assert expires_at is not None
    assert abs(expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"mode": "shadow"},
        {"lifetime": "31"},
        {"name": ""},
        {"name": "x" * 101},
    ],
)
def test_a_wrong_form_makes_no_key(wrong: dict[str, object], people: People, ours: World) -> None:
    response = people["owner"].post(ADD, FORM | wrong)
    assert (response.status_code, _texts(response.content)) == (200, set())
    assert ApiKey.objects.filter(tenant=ours.tenant).count() == 1


@pytest.mark.parametrize("who", ["developer", "admin", "owner"])
def test_the_tenant_of_a_form_is_never_believed(
    who: str, people: People, ours: World, theirs: World
) -> None:
    response = people[who].post(ADD, FORM | {"tenant": str(theirs.tenant.pk)})
    assert len(_texts(response.content)) == 1
    assert ApiKey.objects.get(name="backend").tenant == ours.tenant
    assert ApiKey.objects.filter(tenant=theirs.tenant).count() == 1


def test_with_two_tenants_only_those_can_be_chosen_where_the_role_allows_it(
    people: People, ours: World, theirs: World
) -> None:
    member = Member.objects.create(tenant=theirs.tenant, user=people.users["owner"], role="viewer")
    refused = people["owner"].post(ADD, FORM | {"tenant": str(theirs.tenant.pk)})
    assert "Select a valid choice" in refused.content.decode()
    assert _texts(refused.content) == set()
    Member.objects.filter(pk=member.pk).update(role="developer")
    taken = people["owner"].post(ADD, FORM | {"tenant": str(theirs.tenant.pk)})
    assert len(_texts(taken.content)) == 1
    assert ApiKey.objects.get(name="backend").tenant == theirs.tenant


def test_an_operator_names_the_tenant(people: People, theirs: World) -> None:
    unnamed = people["operator"].post(ADD, FORM)
    assert "This field is required" in unnamed.content.decode()
    named = people["operator"].post(ADD, FORM | {"tenant": str(theirs.tenant.pk)})
    assert len(_texts(named.content)) == 1


def test_revoking_is_asked_for_then_for_good(people: People, ours: World) -> None:
    url = f"/portal/tenants/apikey/{ours.key.pk}/revoke/"
    asked = people["developer"].get(url)
    assert asked.status_code == 200
    ours.key.refresh_from_db()
    assert not ours.key.revoked_at
    done = people["developer"].post(url)
    assert (done.status_code, done["Location"]) == (302, "/portal/tenants/apikey/")
    ours.key.refresh_from_db()
    first = ours.key.revoked_at
    assert first is not None
    assert _find(bytes(ours.key.digest)) is None
    people["developer"].post(url)
    ours.key.refresh_from_db()
    assert ours.key.revoked_at == first
    assert LogEntry.objects.filter(object_id=str(ours.key.pk), change_message="Revoked.").exists()


@pytest.mark.parametrize("who", ["viewer", "developer", "owner", "operator"])
def test_a_key_is_never_edited(who: str, people: People, ours: World) -> None:
    before = ApiKey.objects.filter(pk=ours.key.pk).values().get()
    url = f"/portal/tenants/apikey/{ours.key.pk}/change/"
    response = people[who].post(url, FORM | {"scopes": ["providers:write"], "revoked_at": ""})
    assert response.status_code == 403
    assert people[who].post(url.replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert ApiKey.objects.filter(pk=ours.key.pk).values().get() == before


def test_states_are_shown(people: People, ours: World) -> None:
    now = timezone.now()
    for name, fields in {
        "old": {"expires_at": now - timedelta(seconds=1)},
        "gone": {"revoked_at": now},
    }.items():
        ApiKey.objects.create(
            tenant=ours.tenant, name=name, prefix=f"hk_{name}", digest=name.encode(), **fields
        )
    page = people["viewer"].get("/portal/tenants/apikey/").content.decode()
    shown = re.findall(r">\s*(active|expired|revoked)\s*<", page)
    assert sorted(shown) == ["active", "expired", "revoked"]
