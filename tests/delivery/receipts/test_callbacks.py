"""The addresses that vendors call: who gets in, and what of a call is refused."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from delivery import callbacks
from delivery.accounts import reports_to
from delivery.callback_url import callback_url
from delivery.models import Receipt
from hiram.lib import ids
from notifications.models import Event, Notification, Suppression
from tenants.models import Provider, Tenant
from tests.delivery.receipts.conftest import applied, status, types
from tests.delivery.receipts.vendors import (
    SECRET,
    SMS,
    Call,
    from_resend,
    from_twilio,
    resend,
    vendors_id,
)
from tests.factories import ProviderFactory, TenantFactory, post, shown
from tests.tenancy import caller, together

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_SECRET = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA=="


@pytest.fixture
def sent(tenant: Tenant, mail: Provider, run: Any) -> Notification:
    [notification] = post(tenant)
    run()
    return notification


@pytest.fixture
def call(sent: Notification, mail: Provider) -> Call:
    return from_resend(mail, "bounced", vendors_id(sent), hard=True)


def nothing_changed(notification: Notification) -> bool:
    applied()
    return (
        not Receipt.objects.exists()
        and not Suppression.objects.exists()
        and status(notification) == "sent"
        and types(notification) == ["accepted", "attempted", "sent"]
    )


class TestTaken:
    def test_resends(self, sent, call):
        said = call.answer()
        assert (said.status_code, said.content) == (200, b"")
        assert status(sent) == "sent"
        applied()
        assert (status(sent), sent.reason) == ("bounced", "hard_bounce")
        raw = json.loads(str(Receipt.objects.get().raw))
        assert raw["data"]["email_id"] == vendors_id(sent)

    def test_twilios(self, tenant, text, run, simulator):
        [notification] = post(tenant, SMS)
        run()
        (arrived,) = simulator.messages()
        form = dict(pair.split("=") for pair in arrived.raw.decode().split("&"))
        assert "StatusCallback" in form, "it is told where to call"
        for said in ("queued", "sent", "delivered"):
            assert from_twilio(text, said, vendors_id(notification)).send() == 200
        applied()
        assert status(notification) == "delivered"

    def test_a_landline_is_suppressed(self, tenant, text, run):
        [notification] = post(tenant, SMS)
        run()
        sid = vendors_id(notification)
        assert from_twilio(text, "undelivered", sid, code="30006").send() == 200
        applied()
        assert (status(notification), notification.reason) == ("bounced", "hard_bounce")
        [again] = post(tenant, SMS)
        assert again.status == "suppressed"

    def test_through_the_platforms_provider_it_is_the_senders(self, simulator, run):
        platform = Tenant.objects.filter(is_system=True).first() or TenantFactory.create(
            is_system=True
        )
        shared = resend(platform, simulator.http_url)
        Provider.objects.filter(pk=shared.pk).update(shared=True)
        sender = TenantFactory.create()
        [notification] = post(sender)
        run()
        call = from_resend(shared, "bounced", vendors_id(notification), hard=True)
        assert call.send() == 200
        applied()
        assert status(notification) == "bounced"
        assert Suppression.objects.get().tenant_id == sender.pk

    def test_it_is_one_look_and_one_insert_and_then_one_insert(self, call):
        for wanted in (["SELECT", "WITH"], ["WITH"]):
            with CaptureQueriesContext(connection) as asked:
                assert call.send() == 200
            assert [query["sql"].split()[0] for query in asked] == wanted

    def test_what_is_remembered_of_a_provider_outlives_no_change_of_it(self, mail, sent, call):
        unsigned = replace(call, headers={})
        assert (call.send(), unsigned.send()) == (200, 403)
        mail.seal({"api_key": "re_1"})
        mail.save()
        assert unsigned.send() == 200
        mail.seal({"api_key": "re_1", "webhook_secret": OTHER_SECRET})
        mail.save()
        Receipt.objects.all().delete()
        assert (call.send(), unsigned.send()) == (403, 403)
        assert not Receipt.objects.exists()
        assert from_resend(mail, "delivered", vendors_id(sent)).send() == 200, "signed anew"

    def test_no_more_are_remembered_than_a_process_has_room_for(self, mail, call, monkeypatch):
        monkeypatch.setattr(callbacks, "REMEMBERED", 2)
        other = resend(mail.tenant, "http://127.0.0.1:1", name="other")
        third = resend(mail.tenant, "http://127.0.0.1:1", name="third")
        for provider in (mail, other, third, mail):
            assert from_resend(provider, "delivered", "m1").send() == 200
            assert len(callbacks._remembered) <= 2

    def test_the_same_from_eight_threads(self, sent, call):
        assert set(together(8, lambda i: call.send())) == {200}
        assert Receipt.objects.count() == 1
        applied()
        assert types(sent).count("bounced") == 1

    def test_replayed_later_it_changes_nothing(self, sent, mail, call):
        call.send()
        applied()
        before = types(sent)
        again = from_resend(mail, "bounced", vendors_id(sent), hard=True, at=int(time.time()) + 9)
        assert again.send() == 200, "a vendor's repeat has a signature of its own"
        applied()
        assert types(sent) == before
        assert Receipt.objects.count() == 1

    def test_what_is_no_receipt_is_answered(self, mail):
        assert from_resend(mail, "scheduled", "m1").send() == 200
        assert not Receipt.objects.exists()

    def test_a_disabled_providers_news_are_still_news(self, sent, mail, call):
        Provider.objects.update(enabled=False)
        assert call.send() == 200
        applied()
        assert status(sent) == "bounced"

    @pytest.mark.parametrize("method", ["get", "head"])
    def test_some_look_first(self, mail, call, method):
        path = call.url.partition("//")[2].partition("/")[2]
        assert getattr(Client(), method)(f"/{path}").status_code == 204
        assert getattr(Client(), method)(f"/{path[:-1]}x").status_code == 403

    def test_where_no_secret_is_given_the_token_is_enough(self, tenant, sent, simulator):
        mail = Provider.objects.get()
        mail.seal({"api_key": "re_1"})
        mail.save()
        call = replace(from_resend(mail, "delivered", vendors_id(sent)), headers={})
        assert call.send() == 200
        applied()
        assert status(sent) == "delivered"


class TestForged:
    @pytest.mark.parametrize("header", ["svix-signature", "svix-id", "svix-timestamp"])
    @pytest.mark.parametrize("value", [None, "", "v1,", "v1,AAAA", "v2,AAAA", "1", "x" * 5_000])
    def test_headers(self, sent, call, header, value):
        headers = {k: v for k, v in call.headers.items() if k != header}
        headers |= {} if value is None else {header: value}
        said = replace(call, headers=headers).answer()
        assert said.status_code == 403
        assert said.json()["code"] == "forged"
        assert nothing_changed(sent)

    def test_with_another_secret(self, sent, mail):
        mail.seal({"api_key": "re_1", "webhook_secret": OTHER_SECRET})  # and not saved
        call = from_resend(mail, "bounced", vendors_id(sent), hard=True)
        assert call.send() == 403
        assert nothing_changed(sent)

    def test_with_another_body(self, sent, call):
        assert call.send(body=call.body.replace(b"ada@", b"eve@")) == 403
        assert call.send(body=call.body + b" ") == 403
        assert nothing_changed(sent)

    @pytest.mark.parametrize("off", [-86_400, -301, 330, 86_400])
    def test_of_another_time(self, sent, mail, off):
        at = int(time.time()) + off
        assert from_resend(mail, "bounced", vendors_id(sent), hard=True, at=at).send() == 403
        assert nothing_changed(sent)

    def test_twilios(self, tenant, sent, text):
        call = from_twilio(text, "delivered", "SM1", token="another")
        assert call.send() == 403
        good = from_twilio(text, "delivered", "SM1")
        assert good.send(url=good.url + "?attempt=att_1") == 403, "the address is signed"
        assert good.send(body=good.body + b"&x=1") == 403
        assert nothing_changed(sent)

    def test_signed_by_one_account_for_anothers_address(self, sent, call, tenant, simulator):
        other = resend(tenant, simulator.http_url, secret=OTHER_SECRET, name="other")
        assert call.send(url=str(reports_to(other))) == 403
        assert nothing_changed(sent)

    def test_by_a_stranger_who_has_an_account_too(self, sent, simulator):
        theirs = resend(TenantFactory.create(), simulator.http_url)
        call = from_resend(theirs, "bounced", vendors_id(sent), hard=True, key=shown(sent))
        assert call.send() == 200, "it is theirs to say; of ours it says nothing"
        applied()
        assert status(sent) == "sent"
        assert not Suppression.objects.exists()


class TestToken:
    def refused(self, path: str, call: Call) -> tuple[int, Any]:
        said = call.answer(url=path)
        body = {k: v for k, v in said.json().items() if k != "trace_request_id"}
        assert said.headers["Content-Type"] == "application/problem+json"
        return said.status_code, body

    def test_of_an_unknown_provider_and_of_a_known_one_it_is_refused_alike(self, sent, call):
        root, driver, shown_id, token = call.url.rsplit("/", 3)
        unknown = ids.show("prv", ids.new())
        wrong = ["x", token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B"), token + "A",
                 token.lower(), "=" * 43]  # fmt: skip
        for text in wrong:
            known = self.refused(f"{root}/{driver}/{shown_id}/{text}", call)
            assert known == self.refused(f"{root}/{driver}/{unknown}/{text}", call)
            assert known == self.refused(f"{root}/{driver}/nonsense/{text}", call)
            assert known[0] == 403
        with CaptureQueriesContext(connection) as asked:
            self.refused(f"{root}/{driver}/{shown_id}/x", call)
        assert len(asked) == 0, "the database is not asked, so it cannot be told by the time"
        assert nothing_changed(sent)

    def test_of_another_provider(self, sent, call, tenant, simulator):
        other = resend(tenant, simulator.http_url, name="other")
        token = str(reports_to(other)).rsplit("/", 1)[1]
        assert self.refused(call.url.rsplit("/", 1)[0] + f"/{token}", call)[0] == 403

    def test_of_another_installation(self, sent, call, mail):
        with override_settings(SECRET_KEY="x" * 50):
            url = callback_url("resend", mail.pk)
        assert self.refused(url, call)[0] == 403

    def test_of_a_provider_that_is_gone(self, sent, call, mail):
        Provider.objects.all().delete()
        status_, body = self.refused(call.url, call)
        assert (status_, body["code"]) == (404, "not-found")
        never = callback_url("resend", ids.new())
        assert self.refused(never, call) == (status_, body)

    @pytest.mark.parametrize("driver", ["twilio", "smtp", "nonsense"])
    def test_under_another_drivers_name(self, sent, call, mail, driver):
        assert self.refused(callback_url(driver, mail.pk), call)[0] == 404
        assert nothing_changed(sent)

    def test_a_driver_without_receipts_has_no_address(self, tenant):
        provider = ProviderFactory.create(tenant=tenant)
        assert reports_to(provider) is None
        assert Client().post(callback_url("smtp", provider.pk)).status_code == 404


class TestBodies:
    def test_of_20_mb(self, sent, call):
        for body in (b"x" * 20_000_000, b"[" + b" " * 20_000_000 + b"]", b"x" * (2**20 + 1)):
            said = call.answer(body=body)
            assert (said.status_code, said.json()["code"]) == (413, "too-large")
        assert nothing_changed(sent)

    @pytest.mark.parametrize("signed", [True, False])
    @pytest.mark.parametrize(
        "body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000,
                 b' \n{"a":' * 100_000, b"[1", b"{,}"],
        ids=["lists", "objects", "closed", "blanks", "cut", "wrong"],
    )  # fmt: skip
    def test_deep(self, sent, call, mail, body, signed):
        if not signed:
            mail.seal({"api_key": "re_1"})
            mail.save()
        said = call.answer(body=body)
        assert (said.status_code, said.json()["code"]) == (400, "malformed")
        assert nothing_changed(sent)

    @pytest.mark.parametrize("body", [b"", b"null", b"\xff\xfe", b"a=b", b"[]", b"{}", b"[[]]"])
    def test_of_another_form(self, sent, call, mail, body):
        assert call.send(body=body) == 403
        mail.seal({"api_key": "re_1"})
        mail.save()
        said = call.answer(body=body)
        assert (said.status_code, said.json()["code"]) == (400, "malformed")
        assert nothing_changed(sent)

    def test_texts_that_no_table_takes(self, tenant, sent, mail):
        mail.seal({"api_key": "re_1"})
        mail.save()
        call = from_resend(mail, "bounced", vendors_id(sent), hard=True)
        nasty = json.dumps({
            "type": "email.bounced", "created_at": "9999-12-31T23:59:59+00:00",
            "data": {"email_id": vendors_id(sent), "to": ["ada@recipient.example"],
                     "bounce": {"type": "Permanent", "message": "\0\ud800\u202e" + "x" * 9_000}},
        }).encode()  # fmt: skip
        assert call.send(body=nasty) == 200
        applied()
        assert status(sent) == "bounced"
        said = Event.objects.get(type="notification.bounced").data["description"]
        assert len(said) <= 2_000
        assert "\0" not in said

    def test_other_methods(self, call):
        path = "/" + call.url.partition("//")[2].partition("/")[2]
        for method in ("PUT", "PATCH", "DELETE"):
            assert Client().generic(method, path).status_code == 405

    def test_an_address_that_is_none(self):
        for path in ("/callbacks/", "/callbacks/resend", "/callbacks/resend/prv_1"):
            said = Client().post(path)
            assert (said.status_code, said.json()["code"]) == (404, "not-found")


class TestShown:
    def test_in_the_record(self, tenant, mail):
        ProviderFactory.create(tenant=tenant)
        shown_ = {
            p["driver"]: p["callback_url"]
            for p in caller(tenant).get("/v1/providers").body["data"]
        }
        assert shown_ == {"resend": reports_to(mail), "smtp": None}
        assert SECRET not in str(shown_)

    def test_secrets_that_cannot_be_read_are_tried_again_by_the_vendor(self, sent, call, mail):
        Provider.objects.update(sealed=b"nonsense")
        said = call.answer()
        assert (said.status_code, said.json()["code"]) == (503, "unavailable")
        assert nothing_changed(sent)
