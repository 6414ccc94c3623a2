"""Unsubscribing by a link: at once, by whoever posts, and never by a look."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.test.utils import override_settings

from hiram.lib import ids
from notifications.accept import Owner
from notifications.links import PREFERENCES, UNSUBSCRIBE, named, token, with_unsubscribe
from notifications.models import Consent, Notification, Subscriber, Suppression
from notifications.pages.words import WORDS, words
from notifications.preferences import change, wishes
from tenants.models import CategoryPolicy, Tenant
from tests.factories import TenantFactory, email, make_user, post, to_user

pytestmark = pytest.mark.django_db

NEWS = email(category="marketing")
YES = {"categories": {"marketing": {"email": True}}}


def strict() -> Client:
    """One that needs a CSRF token wherever a browser would."""
    return Client(enforce_csrf_checks=True)


def path(row: Notification) -> str:
    return f"/u/{token(UNSUBSCRIBE, row.pk)}"


def one_click(row: Notification, **kind: Any) -> Any:
    return strict().post(path(row), {"List-Unsubscribe": "One-Click"}, **kind)


def said(tenant: Tenant) -> Any:
    return wishes(Owner(tenant.pk, "live"), "u1").categories


def state(row: Notification) -> tuple[str, str | None]:
    row.refresh_from_db()
    return row.status, row.reason


@pytest.fixture
def user(tenant: Tenant) -> Subscriber:
    found = make_user(tenant, addresses={"email": "ada@recipient.example"})
    change(Owner(tenant.pk, "live"), "u1", YES)
    return found


class TestTokens:
    def test_one_names_one_thing_for_one_purpose(self) -> None:
        key = ids.new()
        text = token(UNSUBSCRIBE, key)
        assert named(UNSUBSCRIBE, text) == key
        assert named(PREFERENCES, text) is None
        with override_settings(SECRET_KEY="x" * 50):
            assert named(UNSUBSCRIBE, text) is None
        for wrong in ("", "x", text[:-1], text + "A", text.swapcase(), "é", "a" * 5000):
            assert named(UNSUBSCRIBE, wrong) is None

    def test_a_tenants_own_header_wins(self) -> None:
        own = {"list-unsubscribe": "<mailto:x@x.example>", "X-A": "1"}
        assert with_unsubscribe(own, ids.new()) == own
        made = with_unsubscribe({"X-A": "1", "list-unsubscribe-post": "x"}, ids.new())
        assert set(made) == {"X-A", "List-Unsubscribe", "List-Unsubscribe-Post"}
        assert made["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


class TestUser:
    def test_a_post_unsubscribes_and_ends_what_is_owed(
        self, tenant: Tenant, user: Subscriber
    ) -> None:
        got, later, order = to_user(tenant, "u1", NEWS, NEWS, email())
        [other] = to_user(tenant, "u2", NEWS)
        for _ in range(2):
            answer = one_click(got)
            assert answer.status_code == 200
            assert not answer.cookies
        assert said(tenant) == {"marketing": {"email": False}}
        assert state(got) == state(later) == ("suppressed", "preference")
        assert state(order) == state(other) == ("accepted", None)
        receipt = Consent.objects.get()
        assert (receipt.granted, receipt.source, receipt.address) == (
            False, "unsubscribe", "ada@recipient.example",
        )  # fmt: skip
        assert not Suppression.objects.exists()

    @pytest.mark.parametrize(
        "kind",
        [
            "multipart/form-data; boundary=BoUnDaRyStRiNg",
            "application/x-www-form-urlencoded",
            "x/y",
        ],
        ids=["multipart", "form", "other"],
    )
    def test_whatever_the_body_says(self, tenant: Tenant, user: Subscriber, kind: str) -> None:
        [got] = to_user(tenant, "u1", NEWS)
        raw = b"List-Unsubscribe=One-Click"
        assert strict().post(path(got), raw, content_type=kind).status_code == 200
        assert said(tenant) == {"marketing": {"email": False}}

    def test_a_look_changes_nothing(self, tenant: Tenant, user: Subscriber) -> None:
        [got] = to_user(tenant, "u1", NEWS)
        for method in ("get", "head", "options", "put", "delete"):
            getattr(strict(), method)(path(got))
        assert said(tenant) == YES["categories"]
        assert state(got) == ("accepted", None)

    def test_a_template_that_was_wanted_is_not_any_more(
        self, tenant: Tenant, user: Subscriber
    ) -> None:
        change(Owner(tenant.pk, "live"), "u1", {"templates": {"offers": {"email": True}}})
        got, later = to_user(tenant, "u1", NEWS, NEWS, template="offers")
        one_click(got)
        assert wishes(Owner(tenant.pk, "live"), "u1").templates == {}
        assert state(later) == ("suppressed", "preference")

    def test_what_is_required_stays(self, tenant: Tenant, user: Subscriber) -> None:
        CategoryPolicy.objects.create(tenant=tenant, category="marketing", required=True)
        [got] = to_user(tenant, "u1", NEWS)
        answer = one_click(got)
        assert answer.status_code == 200
        assert "needed for the service" in answer.content.decode()
        assert said(tenant) == YES["categories"]

    def test_in_its_own_mode(self, tenant: Tenant, user: Subscriber) -> None:
        make_user(tenant, mode="test")
        [got] = to_user(tenant, "u1", NEWS, mode="test")
        one_click(got)
        assert said(tenant) == YES["categories"]
        assert wishes(Owner(tenant.pk, "test"), "u1").categories["marketing"] == {"email": False}


class TestAddress:
    def test_an_address_alone_is_suppressed_for_the_category(self, tenant: Tenant) -> None:
        got, later, order = post(tenant, NEWS, NEWS, email())
        for _ in range(2):
            assert one_click(got).status_code == 200
        row = Suppression.objects.get()
        assert (row.channel, row.recipient, row.category, row.reason, row.source) == (
            "email", "ada@recipient.example", "marketing", "unsubscribed", "unsubscribe",
        )  # fmt: skip
        assert state(later) == ("suppressed", "suppression:unsubscribed")
        assert state(order) == ("accepted", None)
        [again] = post(tenant, NEWS)
        assert state(again) == ("suppressed", "suppression:unsubscribed")

    def test_a_user_who_is_gone_is_an_address(self, tenant: Tenant) -> None:
        [got] = to_user(tenant, "gone", NEWS)
        one_click(got)
        assert Suppression.objects.get().category == "marketing"

    def test_who_is_erased_is_not_written_to_and_hears_no_error(self, tenant: Tenant) -> None:
        [got] = post(tenant, NEWS)
        Notification.objects.filter(pk=got.pk).update(recipient="", address=None)
        assert one_click(got).status_code == 200
        assert not Suppression.objects.exists()


class TestPage:
    def test_it_asks_in_the_tenants_name_and_shows_no_address(self, user: Subscriber) -> None:
        tenant = user.tenant
        tenant.name = "<b>Acme & {x}</b>"
        tenant.save(update_fields=["name"])
        [got] = to_user(tenant, "u1", NEWS)
        answer = strict().get(path(got))
        text = answer.content.decode()
        assert answer.status_code == 200
        assert "Acme &amp; {x}" in text
        assert "<b>" not in text
        assert "ada@" not in text
        assert "offers and news" in text
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'")
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert not answer.cookies
        assert "<script" not in text
        assert re.findall(r'(?:src|href)="([^"]*)"', text)[0].startswith("/static/")
        done = one_click(got).content.decode()
        assert "You are unsubscribed" in done
        assert "<form" not in done

    @pytest.mark.parametrize(
        ("of_user", "of_row", "asked", "expected"),
        [
            ("de-AT", "fr", "es", "Abmelden"), (None, "fr-CA", "es", "Se désabonner"),
            (None, None, "xx, es-MX;q=0.8", "Darse de baja"), (None, None, "", "Cancelar"),
            ("nl", "xx", "", "Cancelar"),
        ],
        ids=["user", "notification", "browser", "tenant", "unknown"],
    )  # fmt: skip
    def test_its_language(
        self, tenant: Tenant, of_user: Any, of_row: Any, asked: str, expected: str
    ) -> None:
        Tenant.objects.filter(pk=tenant.pk).update(locale="pt-BR")
        make_user(tenant, locale=of_user)
        [got] = to_user(tenant, "u1", NEWS, locale=of_row)
        text = strict().get(path(got), headers={"Accept-Language": asked}).content.decode()
        assert expected in text

    def test_a_token_that_names_nothing(self, tenant: Tenant) -> None:
        [got] = post(tenant, NEWS)
        wrong = [
            "x", path(got)[3:-1], token(PREFERENCES, got.pk), token(UNSUBSCRIBE, ids.new()),
            "%00", "é", "a" * 4000,
        ]  # fmt: skip
        for text in wrong:
            for kind in ("get", "post"):
                answer = getattr(strict(), kind)(f"/u/{text}")
                assert answer.status_code == 404
                assert "This link is not valid" in answer.content.decode()
        german = strict().get("/u/x", headers={"Accept-Language": "de"})
        assert "nicht gültig" in german.content.decode()
        assert not Suppression.objects.exists()

    def test_every_language_says_everything(self) -> None:
        assert set(WORDS) == {"en", "de", "fr", "es", "pt"}
        for say in WORDS.values():
            for text in (say.ask, say.done):
                text.format(tenant="t", category="c", channel="e")
                assert all(part in text for part in ("{tenant}", "{category}", "{channel}"))
        assert words(None, "", "x-y").locale == "en"
        assert words("pt_BR").category("marketing") == "ofertas e novidades"
        assert words("en").channel("pigeon") == "pigeon"


class TestPreferencePage:
    def page(self, user: Subscriber) -> str:
        return f"/preferences/{token(PREFERENCES, user.pk)}"

    def test_it_shows_what_holds(self, tenant: Tenant, user: Subscriber) -> None:
        CategoryPolicy.objects.create(tenant=tenant, category="transactional", required=True)
        text = strict().get(self.page(user)).content.decode()
        assert tenant.name in text
        assert "ada@" not in text
        assert re.findall(r'value="(\S+:\S+)"( checked)?>?</label>', text) == [
            ("operational:email", " checked"), ("marketing:email", " checked"),
        ]  # fmt: skip
        assert ">always<" in text

    def test_a_choice_is_stored_with_its_receipt(self, tenant: Tenant, user: Subscriber) -> None:
        owed = to_user(tenant, "u1", NEWS, email(category="operational"))
        shown = ["operational:email", "marketing:email", "marketing:sms", "x:y", "marketing:fax"]
        answer = strict().post(self.page(user), {"shown": shown, "on": ["marketing:sms", "z"]})
        assert (answer.status_code, answer.headers["Location"]) == (
            303,
            f"{self.page(user)}?saved",
        )
        assert not answer.cookies
        assert said(tenant) == {
            "marketing": {"email": False, "sms": True}, "operational": {"email": False},
        }  # fmt: skip
        assert [state(row)[1] for row in owed] == ["preference", "preference"]
        receipts = Consent.objects.order_by("pk").values_list("category", "channel", "granted")
        assert set(receipts) == {
            ("operational", "email", False), ("marketing", "email", False),
            ("marketing", "sms", True),
        }  # fmt: skip
        assert Consent.objects.get(channel="sms").text == "offers and news: text message"
        strict().post(self.page(user), {"shown": shown, "on": ["marketing:sms"]})
        assert Consent.objects.count() == 3
        assert "Your choice is saved" in strict().get(f"{self.page(user)}?saved").content.decode()

    def test_what_was_not_shown_and_what_is_required_stay(
        self, tenant: Tenant, user: Subscriber
    ) -> None:
        CategoryPolicy.objects.create(tenant=tenant, category="operational", required=True)
        strict().post(self.page(user), {"shown": ["operational:email"], "on": []})
        strict().post(self.page(user), {})
        assert said(tenant) == YES["categories"]
        assert not Consent.objects.exists()

    def test_it_ends_with_the_user(self, tenant: Tenant, user: Subscriber) -> None:
        page = self.page(user)
        stranger = make_user(TenantFactory.create())
        assert self.page(stranger) != page
        user.delete()
        make_user(tenant)
        assert strict().get(page).status_code == strict().post(page).status_code == 404
        assert strict().get("/preferences/x").status_code == 404
