"""Resetting a password by mail: for who has the mailbox, telling nobody else anything."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client

from notifications.models import Content, Notification
from portal.forms import passwords
from portal.forms.passwords import MAILS_AN_HOUR, send_reset
from tenants.models import User
from tests.portal.conftest import PASSWORD, make_user

ASK = "/portal/password-reset/"
NEW = "another battery staple"


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ida@people.example", PASSWORD)


def _mails() -> list[Notification]:
    return list(Notification.objects.order_by("id"))


def _link(mail: Notification) -> str:
    text = Content.objects.get(pk=mail.content_id).payload["text"]
    [path] = re.findall(rf"{re.escape(settings.PUBLIC_URL)}(/portal/password-reset/[^\s]+)", text)
    return str(path)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end


@pytest.mark.django_db(transaction=True)
def test_asking_answers_alike_and_mails_only_an_account() -> None:
    user = User.objects.create_user("ida@people.example", PASSWORD)
    answers = []
    for address in ("nobody@people.example", "IDA@people.example"):
        response = Client().post(ASK, {"email": address}, headers={"host": "localhost"})
        answers.append((response.status_code, response["Location"], response.content))
    assert answers[0] == answers[1]
    assert answers[0][:2] == (302, f"{ASK}sent/")
    _until(lambda: bool(_mails()) and passwords._places._value == passwords.WAITING)
    [mail] = _mails()
    assert mail.recipient == user.email
    assert mail.tenant.is_system


def test_the_link_sets_a_new_password_once(user: User) -> None:
    send_reset(user.email)
    [mail] = _mails()
    assert mail.subject == "Set a new password for Hiram"
    client = Client()
    opened = client.get(_link(mail), follow=True)
    # The token left the address before anything is shown.
    assert opened.redirect_chain[-1][0].endswith("/set-password/")
    assert "Set a new password" in opened.content.decode()
    form = {"new_password1": NEW, "new_password2": NEW}
    done = client.post(opened.redirect_chain[-1][0], form)
    assert done["Location"] == f"{ASK}done/"
    user.refresh_from_db()
    assert user.check_password(NEW)
    again = Client().get(_link(mail), follow=True).content.decode()
    assert "does not open anything" in again


def test_a_weak_password_is_refused(user: User) -> None:
    send_reset(user.email)
    client = Client()
    opened = client.get(_link(_mails()[0]), follow=True)
    client.post(
        opened.redirect_chain[-1][0], {"new_password1": "12345678", "new_password2": "12345678"}
    )
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_an_account_without_a_password_gets_its_first(db: None) -> None:
    make_user("new@people.example")
    send_reset("new@people.example")
    assert [m.recipient for m in _mails()] == ["new@people.example"]


@pytest.mark.parametrize(
    "address", ["closed@people.example", "nobody@people.example", "\u0131da@people.example", ""]
)
def test_no_mail_goes_to(address: str, user: User) -> None:
    User.objects.create_user("closed@people.example", PASSWORD, is_active=False)
    send_reset(address)
    assert _mails() == []


def test_the_mail_goes_to_the_stored_address(user: User) -> None:
    send_reset("IDA@PEOPLE.example")
    assert [m.recipient for m in _mails()] == [user.email]


def test_a_mailbox_is_not_filled(user: User) -> None:
    for _ in range(MAILS_AN_HOUR + 3):
        send_reset(user.email)
    assert len(_mails()) == MAILS_AN_HOUR


@pytest.mark.parametrize("path", ["x/y/", "x/set-password/", "MDFh/abc-def/", "%00/%00/"])
def test_made_up_links_open_nothing(path: str, user: User) -> None:
    response = Client().get(f"{ASK}{path}")
    assert response.status_code == 200
    assert "does not open anything" in response.content.decode()


@pytest.mark.parametrize("typed", ["", "nobody", "a@b\x00.example", "a" * 300 + "@x.example"])
def test_what_is_no_address_is_said(typed: str, db: None) -> None:
    assert Client().post(ASK, {"email": typed}).status_code == 200


def test_links_are_made_of_the_configured_address(user: User) -> None:
    send_reset(user.email)
    payload = Content.objects.get(pk=_mails()[0].content_id).payload
    for part in (payload["text"], payload["html"]):
        assert re.findall(r"https?://[^/\s]+", part)
        assert set(re.findall(r"https?://[^/\s]+", part)) == {settings.PUBLIC_URL}
