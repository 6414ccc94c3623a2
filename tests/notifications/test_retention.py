"""Retention: bodies go when their time is over, and never before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from delivery.audit import audit
from delivery.compose import Sending
from delivery.driver import Unknown
from delivery.settle import settle
from delivery.verdict import Result
from hiram.lib import ids, rfc3339
from notifications.cancel import cancel
from notifications.models import Content, DeadLetter, Notification
from notifications.replay import replay
from notifications.retention import erase
from tenants.decisions import PolicyChange, decide
from tenants.models import Tenant
from tests.factories import ProviderFactory, TenantFactory, email, post, shown
from tests.notifications.calls import PATH, api
from tests.notifications.retaining import (
    AGAIN,
    CODE,
    KEPT,
    REFUSED,
    SENT,
    age,
    answered,
    begun,
    hits,
    keep,
    secret,
    sweep,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant() -> Tenant:
    made: Tenant = TenantFactory.create()
    ProviderFactory.create(tenant=made)
    return made


def test_a_body_is_kept_for_thirty_days_after_the_end(tenant: Tenant) -> None:
    [row] = post(tenant, secret())
    answered(SENT)
    assert settings.RETAIN_SECONDS == 30 * 86_400
    for seconds, there in ((0, True), (30 * 86_400 - 60, True), (120, False)):
        age(seconds)
        sweep()
        assert hits() == (KEPT if there else set()), seconds
    row.refresh_from_db()
    assert (row.subject, row.status, row.recipient) == ("", "sent", "ada@recipient.example")
    assert audit().broken == []


def test_zero_erases_right_after_delivery(tenant: Tenant) -> None:
    keep(tenant, 0)
    [row] = post(tenant, secret())
    sweep()
    assert hits() == KEPT, "it is owed"
    answered(SENT)
    sweep()
    assert hits() == set()
    now = api(tenant).one(shown(row))
    row.refresh_from_db()
    assert (now["status"], now["subject"]) == ("sent", "")
    assert now["body_erased_at"] == rfc3339.show_if(row.body_erased_at)
    assert [a["outcome"] for a in now["attempts"]] == ["sent"]
    assert api(tenant).get(PATH).body["data"] == [now]


@pytest.mark.parametrize("said", [AGAIN, Unknown("silence")], ids=["retry", "unknown"])
def test_what_waits_for_its_retry_keeps_it(tenant: Tenant, said: Any) -> None:
    keep(tenant, 0)
    post(tenant, secret())
    answered(said)
    sweep()
    assert hits() == KEPT


def test_what_is_held_or_scheduled_keeps_it(tenant: Tenant) -> None:
    keep(tenant, 0)
    decide(tenant.pk, "transactional", PolicyChange.model_validate({"on_unknown": "hold"}))
    later = timezone.now() + timedelta(days=1)
    [held] = post(tenant, secret())
    answered(Unknown("silence"))
    post(tenant, secret(scheduled_at=rfc3339.show(later)))
    sweep()
    assert sorted(Notification.objects.values_list("status", flat=True)) == ["held", "scheduled"]
    assert Content.objects.count() == 2
    assert not Notification.objects.filter(body_erased_at__isnull=False).exists()
    assert cancel(Notification.objects.filter(status="scheduled")).stopped
    sweep()
    assert [*Content.objects.values_list("pk", flat=True)] == [held.content_id]


def test_a_call_under_way_keeps_it_and_gives_it(tenant: Tenant) -> None:
    keep(tenant, 0)
    post(tenant, secret())
    [work] = begun()
    sweep()
    assert hits() == KEPT
    settle([Result(work, AGAIN, 0.01)])
    Notification.objects.update(expires_at=timezone.now() + timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notifications_outboxmessage SET due_at = now()")
    [work] = begun()
    assert isinstance(work, Sending)
    assert work.message.text == CODE
    settle([Result(work, SENT, 0.01)])
    sweep()
    assert hits() == set()


def test_a_dead_letter_keeps_it_as_long_and_then_cannot_be_replayed(tenant: Tenant) -> None:
    keep(tenant, 3_600)
    [row] = post(tenant, secret())
    answered(REFUSED)
    age(3_500)
    sweep()
    [letter] = api(tenant).get("/v1/dead-letters").body["data"]
    assert (letter["payload"]["text"], letter["body_erased_at"]) == (CODE, None)
    age(200)
    sweep()
    [letter] = api(tenant).get("/v1/dead-letters").body["data"]
    row.refresh_from_db()
    assert letter["payload"] is None
    assert letter["body_erased_at"] == rfc3339.show_if(row.body_erased_at)
    said = api(tenant).ask("POST", f"{PATH}/{shown(row)}/replay", b"")
    assert (said.status, said.code) == (409, "body_erased")
    assert replay([row.pk]) == []
    assert DeadLetter.objects.get().closed_at is None
    assert audit().broken == []


def test_what_has_no_body_any_more_is_not_in_the_way_of_a_replay(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.api.dead_letters.REPLAYED_MOST", 2)
    rows = post(tenant, *[secret() for _ in range(5)])
    answered(*[REFUSED] * 5)
    erase([row.pk for row in rows[:3]])
    said = api(tenant).post({}, "/v1/dead-letters/replay")
    assert (said.body["matched"], said.body["has_more"]) == (2, False)
    assert said.body["data"] == [shown(row) for row in rows[3:]]


def test_replayed_it_is_owed_again_and_keeps_it(tenant: Tenant) -> None:
    keep(tenant, 60)
    [row] = post(tenant, secret())
    answered(REFUSED)
    age(59)
    assert replay([row.pk]) == [row.pk]
    age(3_600)
    sweep()
    assert hits() == KEPT
    answered(SENT)
    sweep()
    assert hits() == KEPT, "counted from its new end"
    age(61)
    sweep()
    assert hits() == set()


def test_each_category_of_each_tenant_by_its_own_rule(tenant: Tenant) -> None:
    other: Tenant = TenantFactory.create()
    keep(tenant, 0)
    keep(tenant, 100, "operational")
    bodies = [email(subject=c, category=c) for c in ("transactional", "operational", "marketing")]
    post(tenant, *bodies)
    post(other, *bodies)
    cancel(Notification.objects.all())
    age(50)
    sweep()

    def left() -> list[tuple[bool, str]]:
        kept = Notification.objects.filter(body_erased_at=None).order_by("pk")
        return [(row.tenant_id == tenant.pk, row.subject) for row in kept]

    theirs = [(False, c) for c in ("transactional", "operational", "marketing")]
    assert left() == [(True, "operational"), (True, "marketing"), *theirs]
    age(51)
    sweep()
    assert left() == [(True, "marketing"), *theirs]
    assert Content.objects.count() == 4
    keep(tenant, 0, "marketing")
    sweep()
    assert left() == theirs, "a new rule holds for what was sent before"


def test_the_installations_default(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "RETAIN_SECONDS", 0)
    keep(tenant, 3_600, "operational")
    post(tenant, secret(), secret(category="operational"))
    cancel(Notification.objects.all())
    sweep()
    [kept] = Notification.objects.filter(body_erased_at=None)
    assert kept.category == "operational"


def test_what_was_never_sent_is_erased_too(tenant: Tenant) -> None:
    keep(tenant, 0)
    api(tenant).post({"channel": "email", "address": "ada@recipient.example"}, "/v1/suppressions")
    [row] = post(tenant, secret())
    assert row.status == "suppressed"
    sweep()
    assert hits() == set()


def test_a_body_of_many_goes_with_the_last_of_them(tenant: Tenant) -> None:
    keep(tenant, 0)
    rows = post(tenant, *[secret() for _ in range(4)])
    shared = rows[0].content_id
    Notification.objects.update(content_id=shared, request_id=ids.new())
    Content.objects.exclude(pk=shared).delete()
    for left in (3, 2, 1):
        works = begun(1)
        settle([Result(works[0], SENT, 0.01)])
        sweep()
        assert Notification.objects.filter(body_erased_at=None).count() == left
        assert Content.objects.get().payload["text"] == CODE
    [first] = Notification.objects.exclude(body_erased_at=None).order_by("pk")[:1]
    page = api(tenant).one(shown(first))
    assert (page["subject"], page["body_erased_at"] is None) == ("", False)
    answered(SENT)
    sweep()
    assert hits() == set()


def test_the_portal_says_that_it_is_gone(tenant: Tenant, admin_client: Client) -> None:
    keep(tenant, 0)
    [row] = post(tenant, secret())
    answered(REFUSED)
    address = f"/portal/notifications/notification/{shown(row)}/change/"
    page = admin_client.get(address).content.decode()
    assert CODE in page
    sweep()
    page = admin_client.get(address).content.decode()
    assert CODE not in page
    assert "Subject and body have been erased" in page
    assert f"{row.pk}/replay/" not in page


def test_these_are_erased_at_once_unless_they_are_owed(tenant: Tenant) -> None:
    rows = post(tenant, secret(), secret())
    answered(SENT)
    done = [row for row in Notification.objects.all() if row.status == "sent"]
    assert erase([row.pk for row in rows]) == len(done) == 1
    assert Content.objects.count() == 1
    assert erase([row.pk for row in rows]) == 0
