"""Erasure: nothing personal of a user is left anywhere, whatever is going on with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from delivery.claim import begin, claim
from delivery.models import Receipt
from delivery.settle import end, expired
from hiram.lib import ids
from notifications.accept import Owner
from notifications.erasure import complete, erase
from notifications.models import (
    Attempt,
    Content,
    DeadLetter,
    Erasure,
    Notification,
    OutboxMessage,
    Preference,
    Suppression,
)
from notifications.suppression import digest
from tenants.models import SenderConfig, Tenant
from tests.factories import TenantFactory, email
from tests.notifications.calls import Api, Said, api
from tests.notifications.test_notify import NOTIFY, TEXTS
from tests.notifications.test_users import USERS, put
from tests.walk import found

pytestmark = pytest.mark.django_db

NAME, MAIL, PHONE, SECRET = "user-7f3a", "ana.7f3a@x.example", "+14155550173", "secret-7f3a"
PERSONAL = (NAME, MAIL, PHONE, SECRET)
ANA = {
    "addresses": {"email": MAIL, "sms": PHONE},
    "locale": "de-AT",
    "attributes": {"name": SECRET},
}


def left() -> set[str]:
    with connection.cursor() as cursor:
        return found(cursor, *PERSONAL)


def gone(live: Api, name: str = NAME) -> Said:
    return live.ask("DELETE", f"{USERS}/{name}?erase=true")


def texts(**fields: Any) -> dict[str, Any]:
    given = email(
        subject=SECRET, body=SECRET, html=f"<p>{SECRET}</p>", user_id=NAME, cancel_key=SECRET,
        metadata={"name": SECRET},
    )  # fmt: skip
    return {k: v for k, v in (given | {"recipient": MAIL} | fields).items() if v is not None}


def later(seconds: int = 3_600) -> None:
    moment = timezone.now() - timedelta(seconds=seconds)
    Erasure.objects.update(created_at=moment)


@pytest.fixture
def full(live: Api, tenant: Tenant) -> Api:
    """Everything that can be known of one."""
    put(live, NAME, ANA)
    live.ask("PUT", f"{USERS}/{NAME}/preferences", {"categories": {"marketing": {"email": True}}})
    given = {"category": "marketing", "channel": "email", "granted": True, "text": "Yes."}
    assert live.post(given, f"{USERS}/{NAME}/consents").status == 201
    SenderConfig.objects.create(tenant=tenant, scope="user", scope_id=NAME, from_name=SECRET)
    to = [{"user_id": NAME}, {"email": MAIL}, {"email": "other@x.example"}]
    said = live.post({"content": TEXTS, "to": to}, NOTIFY, Idempotency_Key="k")
    assert said.status == 202
    assert live.post(texts(dedupe_key="d")).status == 202
    assert (
        live.post(
            texts(user_id=None, recipient="ANA.7f3a@x.example", metadata=None, cancel_key=None)
        ).status
        == 202
    )
    one = Notification.objects.get(pk=ids.parse("ntf", live.post(texts()).body["id"]))
    of = {"tenant": tenant, "subject_id": one.pk, "fence": 1, "worker": "w"}
    Attempt.objects.create(
        **of, number=1, outcome="rejected", error=f"no {MAIL}", response=MAIL,
        provider_message_id=SECRET, copies=[{"address": MAIL}],
    )  # fmt: skip
    OutboxMessage.objects.filter(pk=one.pk).delete()
    Notification.objects.filter(pk=one.pk).update(status="failed", settled_at=timezone.now())
    DeadLetter.objects.create(
        tenant=tenant, notification_id=one.pk, reason="bad_address", detail=MAIL
    )
    Receipt.objects.create(
        tenant=tenant, provider_id=ids.new(), digest=b"x", kind="bounced", notification_id=one.pk,
        recipient=MAIL, raw=MAIL, description=MAIL, provider_message_id=SECRET,
    )  # fmt: skip
    assert live.post({"channel": "email", "address": MAIL}, "/v1/suppressions").status == 201
    return live


def test_before_it_stands_in_many_places(full: Api) -> None:
    assert len(left()) >= 20


def test_nothing_is_left_and_a_certificate_says_so(full: Api, tenant: Tenant) -> None:
    said = gone(full)
    assert said.status == 200
    assert said.body["user_id"] == NAME
    assert said.body["counts"]["notifications"] == 5
    assert said.body["counts"]["consents"] == said.body["counts"]["users"] == 1
    # One of them spells the address in its own way: that is looked for when nobody waits.
    assert left() == {"notifications_notification.subject", "notifications_content.payload"}
    assert said.body["status"] == "erased"
    later()
    assert complete() == 1
    assert left() == set()
    shown = full.get(f"/v1/erasures/{said.body['id']}").body
    assert shown["status"] == "complete"
    assert "user_id" not in shown
    assert bytes(Erasure.objects.get().sealed) == b""
    assert complete() == 0
    assert shown["counts"]["notifications"] == 6


def test_the_suppression_stays(full: Api, tenant: Tenant) -> None:
    gone(full)
    row = Suppression.objects.get()
    assert bytes(row.address) == digest(tenant.pk, "email", MAIL)
    said = full.post(email(recipient=MAIL))
    assert full.one(said.body["id"])["reason"] == "suppression:manual"


def test_others_keep_theirs(full: Api, tenant: Tenant) -> None:
    other = api(TenantFactory.create())
    for caller in (other, api(tenant, mode="test")):
        put(caller, NAME, ANA)
        caller.post(texts())
    put(full, "u2", {"addresses": {"email": MAIL}})
    kept = full.post(texts(user_id="u2")).body["id"]
    gone(full)
    assert full.one(kept)["recipient"] == MAIL
    assert other.get(f"{USERS}/{NAME}").status == 200
    assert Notification.objects.filter(user_id=NAME).count() == 2
    assert "other@x.example" in Notification.objects.values_list("recipient", flat=True)


def test_what_is_owed_is_canceled(live: Api) -> None:
    put(live, NAME, ANA)
    owed = live.post(texts()).body["id"]
    assert gone(live).body["counts"]["stopped"] == 1
    one = live.one(owed)
    assert (one["status"], one["reason"], one["recipient"]) == ("canceled", "erased", "")
    assert not OutboxMessage.objects.exists()
    assert not Content.objects.exists()


def test_a_call_in_flight_is_erased_when_it_has_ended(live: Api, tenant: Tenant) -> None:
    put(live, NAME, ANA)
    live.post(texts())
    OutboxMessage.objects.update(due_at=timezone.now() - timedelta(hours=1))
    [taken] = claim(1)
    began = begin([{
        "id": taken.id, "fence": taken.fence, "attempt_id": ids.new(), "provider_id": None,
        "provider_name": "p", "driver": "smtp", "shadow": False, "route": None,
    }])  # fmt: skip
    assert began == {taken.id: 1}
    assert "stopped" not in gone(live).body["counts"]
    assert left() == set()
    # The worker, which knows nothing of it, writes what it was told.
    Attempt.objects.update(outcome="refused", error=f"later, {MAIL}", finished_at=timezone.now())
    assert left() == {"notifications_attempt.error"}
    later()
    assert complete() == 0  # it is owed still
    assert left() == set()
    past = timezone.now() - timedelta(hours=1)
    OutboxMessage.objects.update(due_at=past, expires_at=past, leased_by=None)
    [again] = claim(1)
    assert again.expired
    end(expired([again]))
    assert complete() == 1
    assert not Content.objects.exists()


def test_what_came_in_between_is_found_by_the_second_look(live: Api, tenant: Tenant) -> None:
    put(live, NAME, ANA)
    gone(live)
    live.post(texts())
    assert left() != set()
    later()
    assert complete() == 1
    assert left() == set()
    counts = live.get(f"/v1/erasures/{ids.show('ers', Erasure.objects.get().pk)}").body["counts"]
    assert counts["stopped"] == 1


def test_a_repetition_gets_its_answer_without_the_name(full: Api) -> None:
    gone(full)
    to = [{"user_id": NAME}, {"email": MAIL}, {"email": "other@x.example"}]
    said = full.post({"content": TEXTS, "to": to}, NOTIFY, Idempotency_Key="k")
    assert said.headers["Idempotency-Replayed"] == "true"
    assert [one["recipient"] for one in said.body["notifications"]] == [
        "", "", "", "other@x.example",
    ]  # fmt: skip


def test_a_deleted_one_can_still_be_erased(full: Api) -> None:
    assert full.ask("DELETE", f"{USERS}/{NAME}").status == 204
    assert not Preference.objects.exists()
    assert gone(full).status == 200
    later()
    assert complete() == 1
    assert left() == set()


def test_who_never_was_is_not_found(live: Api) -> None:
    assert gone(live).code == "not-found"
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("value", ["yes", "", "1"])
def test_it_is_asked_for_clearly(full: Api, value: str) -> None:
    said = full.ask("DELETE", f"{USERS}/{NAME}?erase={value}")
    assert said.errors == [("/erase", "not_an_option")]
    assert full.get(f"{USERS}/{NAME}").status == 200


def test_strangers_erase_nobody(full: Api, tenant: Tenant) -> None:
    before = left()
    for caller in (api(TenantFactory.create()), api(tenant, mode="test")):
        assert gone(caller).code == "not-found"
    assert left() == before
    made = gone(full).body["id"]
    assert api(TenantFactory.create()).get(f"/v1/erasures/{made}").code == "not-found"
    assert full.get("/v1/erasures/x").code == "not-found"


def test_a_thousand_are_erased_in_batches(live: Api, tenant: Tenant) -> None:
    put(live, NAME, ANA)
    live.batch(*[texts() for _ in range(1_000)])
    live.batch(*[texts() for _ in range(200)])
    assert gone(live).body["counts"]["notifications"] == 1_200
    assert left() == set()
    owner = Owner(tenant.pk, "live")
    assert erase(owner, NAME) is None


class TestExport:
    def test_it_is_everything(self, full: Api) -> None:
        said = full.get(f"{USERS}/{NAME}/export")
        assert said.status == 200, said.body
        body = said.body
        assert body["user"]["addresses"] == ANA["addresses"]
        assert body["preferences"]["categories"] == {"marketing": {"email": True}}
        assert [one["text"] for one in body["consents"]] == ["Yes."]
        assert [one["reason"] for one in body["suppressions"]] == ["manual"]
        sent = body["notifications"]
        assert [one["user_id"] for one in sent] == [NAME] * 4
        assert sent[0]["content"]["text"] == SECRET
        assert sent[0]["attempts"][0]["error"] == f"no {MAIL}"
        assert (body["has_more"], body["next_cursor"]) == (False, None)

    def test_it_has_pages(self, full: Api) -> None:
        first = full.get(f"{USERS}/{NAME}/export?limit=3").body
        rest = full.get(f"{USERS}/{NAME}/export?limit=3&cursor={first['next_cursor']}").body
        assert [len(one["notifications"]) for one in (first, rest)] == [3, 1]

    def test_a_body_that_is_gone_is_null(self, full: Api) -> None:
        Content.objects.all().delete()
        sent = full.get(f"{USERS}/{NAME}/export").body["notifications"]
        assert {one["content"] for one in sent} == {None}

    def test_strangers_get_nothing(self, full: Api, tenant: Tenant) -> None:
        for caller in (api(TenantFactory.create()), api(tenant, mode="test")):
            assert caller.get(f"{USERS}/{NAME}/export").code == "not-found"
        keyless = api(tenant, scopes=("notifications:read", "users:write"))
        assert keyless.get(f"{USERS}/{NAME}/export").code == "forbidden"
