"""After a lost answer: what a category's policy makes of it, and what people decide."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.audit import audit
from notifications.hold import drop, release
from notifications.models import Attempt, DeadLetter, Event, Notification, OutboxMessage
from notifications.record import show
from notifications.replay import replay
from tenants.models import CategoryPolicy, Provider, Tenant
from tests.factories import email, post

pytestmark = pytest.mark.django_db(transaction=True)


def make_due() -> None:
    OutboxMessage.objects.update(due_at=timezone.now(), leased_by=None)


def record(notification: Notification) -> dict[str, Any]:
    notification.refresh_from_db()
    return show(notification)


def outcomes(notification: Notification) -> list[str]:
    return [a["outcome"] for a in record(notification)["attempts"]]


def types(notification: Notification) -> list[str]:
    rows = Event.objects.filter(notification_id=notification.pk).order_by("transaction", "id")
    return [event.type.removeprefix("notification.") for event in rows]


@pytest.fixture
def held(tenant: Tenant, provider: Provider, simulator: Any, run: Any) -> Notification:
    """Marketing, which the provider took and whose answer was lost."""
    simulator.order(target="smtp", kind="cut_after_accept", times=1)
    [notification] = post(tenant, email(category="marketing"))
    run()
    return notification


def test_marketing_is_held_and_nothing_is_sent_twice(held, simulator, run):
    assert record(held)["status"] == "held"
    assert record(held)["reason"] == "unknown"
    row = OutboxMessage.objects.get()
    assert (row.due_at, row.leased_by, row.claims) == (row.expires_at, None, 0)
    assert run() == 0
    assert simulator.count() == 1
    assert types(held) == ["accepted", "attempted", "held"]
    assert audit().broken == []


def test_what_is_released_is_sent_again(held, simulator, run):
    assert release([held.pk]) == [held.pk]
    assert record(held)["status"] == "queued"
    assert run() == 1
    assert outcomes(held) == ["unknown", "sent"]
    assert simulator.count() == 2
    assert types(held) == ["accepted", "attempted", "held", "released", "attempted", "sent"]
    assert audit().broken == []
    assert release([held.pk]) == []


def test_a_second_lost_answer_holds_it_again(held, simulator, run):
    simulator.order(target="smtp", kind="cut_after_accept", times=1)
    release([held.pk])
    run()
    assert record(held)["status"] == "held"
    assert outcomes(held) == ["unknown", "unknown"]
    release([held.pk])
    run()
    assert record(held)["status"] == "sent"


def test_what_is_dropped_is_a_dead_letter_and_can_be_replayed(held, simulator, run):
    assert drop([held.pk]) == [held.pk]
    seen = record(held)
    assert (seen["status"], seen["reason"]) == ("failed", "dropped")
    assert not OutboxMessage.objects.exists()
    assert DeadLetter.objects.get().reason == "dropped"
    assert drop([held.pk]) == release([held.pk]) == []
    assert audit().broken == []
    assert replay([held.pk]) == [held.pk]
    run()
    assert record(held)["status"] == "sent", "who replays, has decided"
    assert audit().broken == []


def test_held_too_long_it_expires(held, run):
    past = timezone.now() - timedelta(seconds=1)
    OutboxMessage.objects.update(due_at=past, expires_at=past)
    Notification.objects.update(expires_at=past)
    assert release([held.pk]) == [], "there is no time left"
    run()
    assert record(held)["status"] == "expired"
    assert not OutboxMessage.objects.exists()
    assert audit().broken == []


def test_a_worker_that_died_in_the_call_is_a_lost_answer_too(tenant, provider, simulator, run):
    [notification] = post(tenant, email(category="marketing"))
    Attempt.objects.create(
        tenant=tenant, subject_id=notification.pk, number=1, fence=1, worker="gone",
        outcome="started", provider_id=provider.pk, provider_name=provider.name, driver="smtp",
    )  # fmt: skip
    run()
    assert record(notification)["status"] == "held"
    assert simulator.count() == 0


def test_transactional_is_tried_again(tenant, provider, simulator, run):
    simulator.order(target="smtp", kind="cut_after_accept", times=1)
    [notification] = post(tenant)
    run()
    assert record(notification)["status"] == "queued"
    make_due()
    run()
    assert outcomes(notification) == ["unknown", "sent"]


def test_a_tenant_decides_for_itself(tenant, provider, simulator, run):
    CategoryPolicy.objects.create(tenant=tenant, category="transactional", on_unknown="hold")
    CategoryPolicy.objects.create(tenant=tenant, category="marketing", on_unknown="retry")
    simulator.order(target="smtp", kind="cut_after_accept", times=2)
    held, tried = post(tenant, email(), email(category="marketing"))
    run()
    assert (record(held)["status"], record(tried)["status"]) == ("held", "queued")


class TestVerify:
    @pytest.fixture
    def sms(self, tenant: Tenant, simulator: Any) -> dict[str, Any]:
        CategoryPolicy.objects.create(tenant=tenant, category="transactional", on_unknown="verify")
        provider = Provider(
            tenant=tenant, name="text", channel="sms", driver="twilio",
            settings={
                "account_sid": "AC" + "1" * 32, "from_number": "+15005550006",
                "api_url": f"{simulator.http_url}/twilio",
            },
        )  # fmt: skip
        provider.seal({"auth_token": "secret"})
        provider.save()
        return {"channel": "sms", "recipient": "+14155550100", "body": "Your code is 1."}

    def test_what_the_provider_has_is_not_sent_again(self, tenant, sms, simulator, run):
        simulator.order(target="twilio", kind="cut_after_accept", times=1)
        [notification] = post(tenant, sms)
        run()
        assert outcomes(notification) == ["unknown"]
        assert record(notification)["status"] == "queued"
        make_due()
        run()
        seen = record(notification)
        assert (seen["status"], outcomes(notification)) == ("sent", ["unknown", "sent"])
        assert seen["attempts"][1]["provider_message_id"] == simulator.messages()[0].id
        assert simulator.count() == 1

    def test_what_it_has_not_is_sent_in_the_same_attempt(self, tenant, sms, simulator, run):
        simulator.order(target="twilio", kind="gateway", times=1)
        [notification] = post(tenant, sms)
        run()
        assert outcomes(notification) == ["unknown"]
        make_due()
        run()
        assert outcomes(notification) == ["unknown", "sent"]
        assert simulator.count() == 1

    def test_another_messages_text_is_not_taken_for_it(self, tenant, sms, simulator, run):
        post(tenant, sms | {"body": "Another."})
        run()
        simulator.order(target="twilio", kind="gateway", times=1)
        [notification] = post(tenant, sms)
        run()
        make_due()
        run()
        assert record(notification)["status"] == "sent"
        assert simulator.count() == 2

    def test_while_it_cannot_be_asked_it_is_asked_again(self, tenant, sms, simulator, run):
        simulator.order(target="twilio", kind="cut_after_accept", times=1)
        [notification] = post(tenant, sms)
        run()
        simulator.order(target="twilio", kind="refuse", times=1)
        make_due()
        run()
        assert outcomes(notification) == ["unknown", "refused"]
        assert "could not be asked" in record(notification)["attempts"][1]["error"]
        make_due()
        run()
        assert outcomes(notification) == ["unknown", "refused", "sent"]
        assert simulator.count() == 1

    def test_where_nobody_can_be_asked_it_is_held(self, tenant, sms, provider, simulator, run):
        simulator.order(target="smtp", kind="cut_after_accept", times=1)
        [notification] = post(tenant)
        run()
        assert record(notification)["status"] == "queued"
        make_due()
        run()
        assert record(notification)["status"] == "held"
        assert simulator.count() == 1
