"""Invitations: a mailed link that makes its address a member, once, until it expires."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from notifications.models import Content, Notification
from portal.invites import Used, accept, find, invite, new_account
from tenants.models import Invite, Member, Role, Tenant, User
from tests.portal.conftest import PASSWORD, People, World, make_user
from tests.tenancy import together

INVITES = "/portal/tenants/invite/"


def _link(recipient: str) -> str:
    """The path of the newest invitation's link, read from the mail as its recipient would."""
    mail = Notification.objects.filter(recipient=recipient).order_by("-id")[0]
    text = Content.objects.get(pk=mail.content_id).payload["text"]
    [path] = re.findall(rf"{re.escape(settings.PUBLIC_URL)}(/portal/invite/[^\s]+)", text)
    return str(path)


@pytest.fixture
def mailed(django_capture_on_commit_callbacks: Any) -> Any:
    """Do something, and what follows its commit."""

    def act(action: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return action()

    return act


@pytest.mark.parametrize(
    ("by", "role", "answer"),
    [
        ("viewer", "viewer", 403),
        ("developer", "viewer", 403),
        ("admin", "admin", 302),
        ("admin", "owner", 200),
        ("owner", "owner", 302),
    ],
)
def test_who_invites_as_what(
    by: str, role: str, answer: int, people: People, theirs: World, mailed: Any
) -> None:
    form = {"email": "new@people.example", "role": role, "tenant": str(theirs.tenant.pk)}
    response = mailed(lambda: people[by].post(f"{INVITES}add/", form))
    assert response.status_code == answer
    made = Invite.objects.filter(email="new@people.example").first()
    assert (made is not None) == (answer == 302)
    if made:
        assert (made.tenant.name, made.role) == ("OUR tenant", role)
        assert made.invited_by == people.users[by]
        left = made.expires_at - timezone.now()
        assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
        assert made.accepted_at is None


def test_an_operator_invites_to_any_tenant(people: People, theirs: World, mailed: Any) -> None:
    form = {"email": "new@people.example", "role": "owner", "tenant": str(theirs.tenant.pk)}
    assert mailed(lambda: people["operator"].post(f"{INVITES}add/", form)).status_code == 302
    assert Invite.objects.get(email="new@people.example").tenant == theirs.tenant


def test_the_link_is_mailed_by_the_system_tenant_and_stored_nowhere_else(
    people: People, mailed: Any
) -> None:
    form = {"email": "new@people.example", "role": "viewer"}
    # What a request says of its host goes into no mail.
    mailed(lambda: people["owner"].post(f"{INVITES}add/", form, HTTP_HOST="localhost"))
    mail = Notification.objects.get(recipient="new@people.example")
    assert mail.tenant.is_system
    assert mail.subject == "OUR tenant invites you to Hiram"
    token = _link("new@people.example").split("/")[3]
    assert len(token) == 43
    stored = bytes(Invite.objects.get(email="new@people.example").digest)
    assert len(stored) == 32
    assert token.encode() not in stored
    for who in ("owner", "operator"):
        for url in (INVITES, f"/portal/notifications/notification/{mail.pk}/change/"):
            assert token not in people[who].get(url).content.decode()


def test_a_member_is_not_invited_again(people: People, mailed: Any) -> None:
    form = {"email": "VIEWER@people.example", "role": "admin"}
    page = mailed(lambda: people["owner"].post(f"{INVITES}add/", form)).content.decode()
    assert "is a member already" in page


@pytest.fixture
def invited(ours: World, mailed: Any) -> str:
    """The link of an invitation as developer."""
    user = ours.member.user
    mailed(lambda: invite(ours.tenant, "new@people.example", Role.DEVELOPER, by=user))
    return _link("new@people.example")


def test_a_new_account_is_made_and_logged_in(invited: str, ours: World) -> None:
    client = Client()
    page = client.get(invited)
    assert page.status_code == 200
    assert "OUR tenant" in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]
    assert page["X-Frame-Options"] == "DENY"
    assert "script-src 'none'" in page["Content-Security-Policy"]
    done = client.post(invited, {"name": "New Person", "password": PASSWORD})
    assert (done.status_code, done["Location"]) == (302, "/portal/")
    user = User.objects.get(email="new@people.example")
    assert (user.name, user.is_operator, user.check_password(PASSWORD)) == (
        "New Person", False, True,
    )  # fmt: skip
    assert Member.objects.get(user=user).role == Role.DEVELOPER
    assert Member.objects.get(user=user).tenant == ours.tenant
    assert client.get("/portal/").status_code == 200


def test_a_link_works_once(invited: str) -> None:
    Client().post(invited, {"password": PASSWORD})
    for method in ("get", "post"):
        again = getattr(Client(), method)(invited, {"password": PASSWORD})
        assert again.status_code == 404
        assert "OUR tenant" not in again.content.decode()
    assert User.objects.filter(email="new@people.example").count() == 1


def test_a_weak_password_makes_nothing(invited: str) -> None:
    for password in ("", "short", "12345678", "password", "new@people.example"):
        assert Client().post(invited, {"password": password}).status_code == 200
    assert not User.objects.filter(email="new@people.example").exists()
    assert Client().get(invited).status_code == 200


@pytest.mark.parametrize(
    "change",
    [{"expires_at": timezone.now() - timedelta(seconds=1)}, {"accepted_at": timezone.now()}],
)
def test_an_old_link_opens_nothing(invited: str, change: dict[str, Any]) -> None:
    Invite.objects.update(**change)
    assert Client().get(invited).status_code == 404
    assert Client().post(invited, {"password": PASSWORD}).status_code == 404
    assert not User.objects.filter(email="new@people.example").exists()


def test_a_withdrawn_link_opens_nothing(invited: str, people: People) -> None:
    row = Invite.objects.get(email="new@people.example")
    assert people["admin"].post(f"{INVITES}{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert Client().get(invited).status_code == 404


@pytest.mark.parametrize("odd", ["x", "%00", "a" * 5_000, "..", "é"])
def test_odd_tokens_open_nothing(odd: str, db: None) -> None:
    assert Client().get(f"/portal/invite/{odd}/").status_code == 404


def test_an_existing_account_logs_in_to_accept(invited: str) -> None:
    user = User.objects.create_user("New@people.example", PASSWORD)
    client = Client()
    page = client.get(invited).content.decode()
    assert f"/portal/login/?next={invited}" in page
    # Without logging in the link alone does nothing to the account.
    assert client.post(invited, {"password": "another password"}).status_code == 200
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert not Member.objects.filter(user=user).exists()
    login = client.post(
        f"/portal/login/?next={invited}", {"username": user.email, "password": PASSWORD}
    )
    assert login["Location"] == invited
    assert "<button" in client.get(invited).content.decode()
    assert client.post(invited).status_code == 302
    assert Member.objects.get(user=user).role == Role.DEVELOPER


@pytest.mark.parametrize("has_account", [True, False])
def test_nobody_else_can_use_the_link(has_account: bool, invited: str, people: People) -> None:
    if has_account:
        User.objects.create_user("new@people.example", PASSWORD)
    for who in ("outsider", "viewer", "operator"):
        page = people[who].get(invited)
        assert page.status_code == 200
        assert "Only new@people.example can accept" in page.content.decode()
        people[who].post(invited, {"password": PASSWORD})
    assert Invite.objects.get(email="new@people.example").accepted_at is None
    assert not Member.objects.filter(user=people.users["outsider"]).exists()
    assert Member.objects.get(user=people.users["viewer"]).role == Role.VIEWER


def test_a_member_keeps_his_role(invited: str, ours: World) -> None:
    user = User.objects.create_user("new@people.example", PASSWORD)
    Member.objects.create(tenant=ours.tenant, user=user, role=Role.ADMIN)
    client = Client()
    client.force_login(user)
    client.post(invited)
    assert Member.objects.get(user=user).role == Role.ADMIN


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_gets_in() -> None:
    tenant = Tenant.objects.create(name="race")
    user = make_user("inviter@people.example")
    invite(tenant, "new@people.example", Role.VIEWER, by=user)
    found = find(_link("new@people.example").split("/")[3])

    def join(_: int) -> bool:
        try:
            accept(found, new_account(found, name="", password=PASSWORD))
        except Used:
            return False
        return True

    assert sorted(together(6, join)) == [False] * 5 + [True]
    assert User.objects.filter(email="new@people.example").count() == 1
    assert Member.objects.filter(tenant=tenant).count() == 1


@pytest.mark.parametrize("name", ["Hiram", "hiram"])
def test_mails_go_though_a_customer_has_our_name(name: str, ours: World, mailed: Any) -> None:
    Tenant.objects.create(name=name)
    mailed(lambda: invite(ours.tenant, "new@people.example", "viewer", by=ours.member.user))
    assert Notification.objects.get(recipient="new@people.example").tenant.name == "Hiram (system)"
