"""Logging in: throttled by account and address together, rotating, and leading nowhere else."""

from __future__ import annotations

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.test import Client
from pytest_django import Settings

from tenants.models import Member, Tenant, User
from tests.portal.conftest import PASSWORD, make_user

LOGIN = "/portal/login/"


@pytest.fixture
def user(db: None) -> User:
    found = User.objects.create_user("ida@people.example", PASSWORD)
    Member.objects.create(tenant=Tenant.objects.create(name="t"), user=found, role="viewer")
    return found


def _try(client: Client, username: str, password: str, address: str = "192.0.2.1") -> int:
    form = {"username": username, "password": password}
    return client.post(LOGIN, form, REMOTE_ADDR=address).status_code


def test_the_session_is_another_after_logging_in(user: User) -> None:
    client = Client()
    client.get(LOGIN)
    session = client.session
    session["planted"] = "yes"
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(session.session_key)
    before = str(session.session_key)
    assert _try(client, user.email, PASSWORD) == 302
    assert client.session.session_key != before
    assert not type(session)().exists(before)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


@pytest.mark.parametrize(
    "goal",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "///x"],
)
def test_a_login_leads_nowhere_else(goal: str, user: User) -> None:
    form = {"username": user.email, "password": PASSWORD}
    for url, fields in ((f"{LOGIN}?next={goal}", form), (LOGIN, form | {"next": goal})):
        response = Client().post(url, fields)
        assert (response.status_code, response["Location"]) == (302, "/portal/")


def test_a_login_leads_to_where_one_was(user: User) -> None:
    asked = Client().get("/portal/tenants/apikey/?q=x")
    assert asked["Location"] == f"{LOGIN}?next=/portal/tenants/apikey/%3Fq%3Dx"
    done = Client().post(asked["Location"], {"username": user.email, "password": PASSWORD})
    assert done["Location"] == "/portal/tenants/apikey/?q=x"


@pytest.mark.parametrize(
    "typed", ["ida@people.example", "IDA@PEOPLE.EXAMPLE", " ida@people.example"]
)
def test_an_address_opens_however_it_is_typed(typed: str, user: User) -> None:
    assert _try(Client(), typed, PASSWORD) == 302


def test_unknown_wrong_and_closed_accounts_answer_alike(user: User) -> None:
    closed = User.objects.create_user("closed@people.example", PASSWORD, is_active=False)
    make_user("unset@people.example")
    texts = set()
    for name, password in (
        ("nobody@people.example", PASSWORD),
        (user.email, "wrong"),
        (closed.email, PASSWORD),
        ("unset@people.example", ""),
        ("unset@people.example", "!"),
    ):
        response = Client().post(LOGIN, {"username": name, "password": password or " "})
        assert response.status_code == 200
        text = response.content.decode()
        assert "do not go together" in text
        texts.add(len(text.replace(name, "")) - len(text.replace(name, "").lstrip()))
    assert len(texts) == 1


def test_the_eighth_failure_closes_the_account_for_this_address(user: User) -> None:
    answers = [_try(Client(), user.email, f"wrong {n}") for n in range(9)]
    assert answers == [200] * 7 + [429] * 2
    # The right password does not help, from here; from elsewhere it does.
    assert _try(Client(), user.email, PASSWORD) == 429
    assert _try(Client(), user.email, PASSWORD, "192.0.2.2") == 302
    other = User.objects.create_user("other@people.example", PASSWORD)
    assert _try(Client(), other.email, PASSWORD) == 302


def test_spellings_of_one_account_count_together(user: User) -> None:
    # The database takes the Turkish dotless i for an i, too.
    names = [
        "ida@people.example",
        "IDA@people.example",
        "Ida@People.example",
        "\u0131da@people.example",
    ]
    answers = [_try(Client(), names[n % 4], f"wrong {n}") for n in range(8)]
    assert answers == [200] * 7 + [429]
    assert AccessAttempt.objects.values("username").distinct().count() == 1


@pytest.mark.parametrize("behind", [True, False])
def test_behind_a_proxy_the_address_is_the_one_that_it_added(
    behind: bool, user: User, settings: Settings
) -> None:
    settings.BEHIND_PROXY = behind
    form = {"username": user.email, "password": "wrong"}
    for number in range(8):
        Client().post(LOGIN, form, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 198.51.100.7")
    form["password"] = PASSWORD
    same = Client().post(LOGIN, form, HTTP_X_FORWARDED_FOR="198.51.100.7").status_code
    other = Client().post(LOGIN, form, HTTP_X_FORWARDED_FOR="198.51.100.7, 192.0.2.9").status_code
    assert (same, other) == ((429, 302) if behind else (429, 429))
    assert AccessAttempt.objects.get().ip_address == ("198.51.100.7" if behind else "127.0.0.1")


def test_the_closed_page_is_ours_and_repeats_nothing(user: User) -> None:
    for n in range(8):
        response = Client().post(LOGIN, {"username": user.email, "password": f"wrong {n}"})
    assert response.status_code == 429
    page = response.content.decode()
    assert "Too many attempts" in page
    assert user.email not in page
    assert "/portal/password-reset/" in page
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


def test_no_password_is_kept_of_a_failure(user: User) -> None:
    Client().post(LOGIN, {"username": user.email, "password": "s3cret typed wrong"})
    [attempt] = AccessAttempt.objects.values()
    assert "s3cret" not in str(attempt)


def test_success_forgets_failures(user: User) -> None:
    for n in range(7):
        _try(Client(), user.email, f"wrong {n}")
    assert _try(Client(), user.email, PASSWORD) == 302
    assert [_try(Client(), user.email, f"wrong {n}") for n in range(7)] == [200] * 7


def test_who_has_no_tenant_is_told_so(db: None) -> None:
    User.objects.create_user("alone@people.example", PASSWORD)
    client = Client()
    assert _try(client, "alone@people.example", PASSWORD) == 302
    page = client.get("/portal/", follow=True)
    assert page.redirect_chain[-1][0].startswith(LOGIN)
    assert "alone@people.example" in page.content.decode()
    assert "no tenant" in page.content.decode()


def test_logging_out_needs_a_post(user: User) -> None:
    client = Client()
    client.force_login(user)
    assert client.get("/portal/logout/").status_code == 405
    assert client.get("/portal/").status_code == 200
    assert client.post("/portal/logout/").status_code in (200, 302)
    assert client.get("/portal/").status_code == 302


def test_changing_the_password_ends_other_sessions(user: User) -> None:
    here, elsewhere = Client(), Client()
    here.force_login(user)
    elsewhere.force_login(user)
    new = "another battery staple"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post("/portal/password_change/", form).status_code == 302
    assert here.get("/portal/").status_code == 200
    assert elsewhere.get("/portal/").status_code == 302


@pytest.mark.parametrize("path", ["/portal/", LOGIN, "/trestleboard/", "/portal/password-reset/"])
def test_headers(path: str, user: User) -> None:
    client = Client()
    if path == "/portal/":
        client.force_login(user)
    response = client.get(path)
    policy = response["Content-Security-Policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'",
                 "form-action 'self'"):  # fmt: skip
        assert part in policy
    script = next(p for p in policy.split("; ") if p.startswith("script-src"))
    inside = path in ("/portal/", LOGIN)
    assert script == ("script-src 'self' 'unsafe-eval'" if inside else "script-src 'none'")
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    page = response.content.decode()
    # What a page loads or runs comes from here, and none of it stands in the page.
    assert "https://" not in page.replace("http://www.w3.org", "")
    assert "<script>" not in page
