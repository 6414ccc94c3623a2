"""Members, invitations and accounts: who may give which role, and that an owner remains."""

from __future__ import annotations

from functools import partial

import pytest
from django.test import Client

from notifications.models import Template
from tenants.models import Member, Role, Tenant, User
from tests.portal.conftest import People, World, make_user
from tests.tenancy import together

MEMBERS = "/portal/tenants/member/"
INVITES = "/portal/tenants/invite/"


def _member(people: People, who: str) -> Member:
    return Member.objects.get(user=people.users[who])


def _give(people: People, by: str, to: str, role: str) -> int:
    url = f"{MEMBERS}{_member(people, to).pk}/change/"
    return people[by].post(url, {"role": role}).status_code


def _remove(people: People, by: str, whom: str) -> int:
    url = f"{MEMBERS}{_member(people, whom).pk}/delete/"
    return people[by].post(url, {"post": "yes"}).status_code


@pytest.mark.parametrize(
    ("by", "to", "role", "answer"),
    [
        ("viewer", "viewer", "owner", 403),
        ("developer", "viewer", "developer", 403),
        ("admin", "viewer", "developer", 302),
        ("admin", "developer", "admin", 302),
        ("admin", "viewer", "owner", 200),  # the form again, with the reason
        ("admin", "admin", "owner", 200),
        ("admin", "owner", "viewer", 403),
        ("owner", "viewer", "owner", 302),
        ("owner", "admin", "viewer", 302),
        ("owner", "viewer", "emperor", 200),
        ("operator", "owner", "viewer", 302),
    ],
)
def test_who_gives_which_role(by: str, to: str, role: str, answer: int, people: People) -> None:
    before = _member(people, to).role
    assert _give(people, by, to, role) == answer
    assert _member(people, to).role == (role if answer == 302 else before)


def test_a_form_changes_a_role_and_nothing_else(people: People, theirs: World) -> None:
    member = _member(people, "viewer")
    forged = {"role": "admin", "tenant": str(theirs.tenant.pk), "user": str(theirs.member.user.pk)}
    people["owner"].post(f"{MEMBERS}{member.pk}/change/", forged)
    after = Member.objects.get(pk=member.pk)
    assert (after.role, after.tenant_id, after.user_id) == (
        "admin", member.tenant_id, member.user_id,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("by", "whom", "answer"),
    [
        ("viewer", "viewer", 403),
        ("developer", "viewer", 403),
        ("admin", "developer", 302),
        ("admin", "owner", 403),
        ("owner", "admin", 302),
        ("owner", "owner", 302),
        ("operator", "owner", 302),
    ],
)
def test_who_removes_whom(by: str, whom: str, answer: int, people: People) -> None:
    user = people.users[whom]
    assert _remove(people, by, whom) == answer
    assert Member.objects.filter(user=user).exists() == (answer == 403)
    assert User.objects.filter(pk=user.pk).exists()


@pytest.mark.parametrize("by", ["owner", "operator"])
def test_the_last_owner_stays(by: str, people: People, ours: World) -> None:
    ours.member.delete()
    last = _member(people, "owner")
    assert _give(people, by, "owner", "admin") == 200
    _remove(people, by, "owner")
    assert Member.objects.get(pk=last.pk).role == Role.OWNER
    page = people[by].get(MEMBERS).content.decode()
    assert "A tenant needs an owner" in page


@pytest.mark.django_db(transaction=True)
def test_two_owners_cannot_take_each_other_away_at_once() -> None:
    for n in range(5):
        tenant = Tenant.objects.create(name=f"race {n}")
        owners = [_owner(tenant, f"{name}{n}@people.example") for name in ("a", "b")]
        together(2, partial(_depose, owners))
        assert Member.objects.filter(tenant=tenant, role=Role.OWNER).count() == 1


def _owner(tenant: Tenant, address: str) -> tuple[Client, Member]:
    user, client = make_user(address), Client()
    client.force_login(user)
    return client, Member.objects.create(tenant=tenant, user=user, role=Role.OWNER)


def _depose(owners: list[tuple[Client, Member]], n: int) -> None:
    (client, _), (_, member) = owners[n], owners[1 - n]
    page = "delete" if n else "change"
    client.post(f"{MEMBERS}{member.pk}/{page}/", {"post": "yes", "role": "viewer"})


def _account(people: People, who: str, **fields: str) -> int:
    url = f"/portal/tenants/user/{people.users[who].pk}/change/"
    return people["operator"].post(url, fields).status_code


def test_an_operator_closes_an_account_but_not_his_own(people: People) -> None:
    assert _account(people, "viewer", name="V") == 302
    people.users["viewer"].refresh_from_db()
    assert people.users["viewer"].is_active is False
    assert people["viewer"].get("/portal/").status_code == 302
    assert _account(people, "operator", is_active="on") == 200
    assert _account(people, "operator", is_operator="on") == 200
    people.users["operator"].refresh_from_db()
    assert people.users["operator"].is_operator is True


def test_an_address_is_not_changed_here(people: People) -> None:
    _account(people, "viewer", is_active="on", email="evil@people.example", password="x")
    people.users["viewer"].refresh_from_db()
    assert people.users["viewer"].email == "viewer@people.example"
    assert not people.users["viewer"].has_usable_password()


def test_an_owner_does_not_make_his_tenant_live_or_active(people: People, ours: World) -> None:
    url = f"/portal/tenants/tenant/{ours.tenant.pk}/change/"
    form = {
        "name": "Mine",
        "mode": "shadow",
        "status": "suspended",
        "locale": "de",
        "timezone": "UTC",
    }
    assert people["owner"].post(url, form).status_code == 302
    ours.tenant.refresh_from_db()
    assert (ours.tenant.name, ours.tenant.mode, ours.tenant.status) == (
        "OUR tenant", "live", "active",
    )  # fmt: skip
    assert ours.tenant.locale == "de"
    assert people["operator"].post(url, form).status_code == 302
    ours.tenant.refresh_from_db()
    assert (ours.tenant.name, ours.tenant.mode, ours.tenant.status) == (
        "Mine", "shadow", "suspended",
    )  # fmt: skip


def test_a_tenant_made_here_has_the_system_templates(people: People) -> None:
    form = {
        "name": "Fresh",
        "mode": "live",
        "status": "active",
        "locale": "de",
        "timezone": "UTC",
    }
    assert people["operator"].post("/portal/tenants/tenant/add/", form).status_code == 302
    fresh = Tenant.objects.get(name="Fresh")
    assert Template.objects.filter(tenant=fresh, system="welcome").count() == 1
    assert people["operator"].post(
        f"/portal/tenants/tenant/{fresh.pk}/change/", form | {"name": "Fresh one"}
    ).status_code == 302  # fmt: skip
    assert Template.objects.filter(tenant=fresh).count() == 11
