"""The street in one process: what is accepted is sent, and what a provider says is what is shown."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from delivery.audit import audit
from delivery.models import ProviderHealth
from delivery.relay import relay
from notifications.models import (
    Attempt,
    Content,
    DeadLetter,
    Event,
    Lane,
    Notification,
    OutboxMessage,
)
from notifications.record import show
from tenants.models import Tenant
from tests.factories import ProviderFactory, TenantFactory, email, post, shown

pytestmark = pytest.mark.django_db(transaction=True)


def events(notification: Notification) -> list[str]:
    rows = Event.objects.filter(notification_id=notification.pk).order_by("transaction", "id")
    return [event.type for event in rows]


def make_due() -> None:
    OutboxMessage.objects.update(due_at=timezone.now(), leased_by=None)


def seconds_after_the_attempt(at: datetime) -> float:
    finished = Attempt.objects.get().finished_at
    assert finished is not None
    return (at - finished).total_seconds()


def refresh(notification: Notification) -> dict[str, Any]:
    notification.refresh_from_db()
    return show(notification)


def test_an_accepted_mail_is_sent_and_every_fact_is_recorded(tenant, provider, simulator, run):
    [notification] = post(tenant, email(metadata={"order": "1"}))
    assert refresh(notification)["status"] == "queued"
    assert run() == 1
    [mail] = simulator.messages()
    assert mail.key == shown(notification)
    assert mail.content.text.strip() == "Thank you."
    seen = refresh(notification)
    assert seen["status"] == "sent"
    assert seen["reason"] is None
    assert seen["provider"]["name"] == provider.name
    assert seen["provider"]["driver"] == "smtp"
    assert seen["latency_ms"] >= 0
    [attempt] = seen["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["code"]) == (1, "sent", "250")
    assert attempt["provider"] == provider.name
    assert attempt["error"] is None
    assert attempt["duration_ms"] >= 0
    assert not OutboxMessage.objects.exists()
    assert events(notification) == [
        "notification.accepted",
        "notification.attempted",
        "notification.sent",
    ]
    assert audit().broken == []


def test_nothing_due_is_nothing_done(tenant, run):
    assert run() == 0


def test_a_refused_mail_is_tried_again_by_the_schedule(tenant, provider, simulator, run):
    simulator.order(target="smtp", kind="status", phase="rcpt", code=451, times=1)
    [notification] = post(tenant)
    run()
    row = OutboxMessage.objects.get()
    assert 3 <= seconds_after_the_attempt(row.due_at) <= 5
    assert (row.tries, row.claims, row.leased_by) == (1, 0, None)
    seen = refresh(notification)
    assert seen["status"] == "queued"
    assert seen["next_attempt_at"] is not None
    assert seen["attempts"][0]["outcome"] == "refused"
    assert seen["attempts"][0]["fault"] == "transient"
    assert seen["attempts"][0]["code"] == "451"
    assert run() == 0, "not due before its time"
    make_due()
    assert run() == 1
    assert [a["outcome"] for a in refresh(notification)["attempts"]] == ["refused", "sent"]
    assert simulator.count() == 1


def test_a_lost_answer_is_unknown_and_waits_longer(tenant, provider, simulator, run):
    simulator.order(target="smtp", kind="cut_after_accept", times=1)
    [notification] = post(tenant)
    run()
    assert Attempt.objects.get().outcome == "unknown"
    assert 60 <= seconds_after_the_attempt(OutboxMessage.objects.get().due_at) <= 91
    make_due()
    run()
    assert refresh(notification)["status"] == "sent"
    assert [m.key for m in simulator.messages()] == [shown(notification)] * 2


def test_a_permanent_refusal_fails_at_once_with_a_dead_letter(tenant, provider, simulator, run):
    [notification] = post(tenant, email(recipient="bounce@simulator.test"))
    run()
    seen = refresh(notification)
    assert (seen["status"], seen["reason"]) == ("failed", "bad_address")
    assert seen["attempts"][0]["outcome"] == "rejected"
    assert seen["attempts"][0]["enhanced_code"] == "5.1.1"
    letter = DeadLetter.objects.get()
    assert (letter.notification_id, letter.reason) == (notification.pk, "bad_address")
    assert not OutboxMessage.objects.exists()
    assert events(notification)[-1] == "notification.failed"
    assert audit().broken == []


def test_without_a_provider_it_waits_says_why_and_goes_when_there_is_one(tenant, simulator, run):
    [notification] = post(tenant)
    assert run() == 0
    seen = refresh(notification)
    assert (seen["status"], seen["reason"]) == ("accepted", "no_provider")
    assert seen["attempts"] == []
    lane = Lane.objects.get()
    assert lane.reason == "no_provider"
    assert OutboxMessage.objects.get().claims == 0
    assert relay() == 0, "a parked lane is not worth a look"
    ProviderFactory.create(tenant=tenant, port=simulator.smtp_port)
    assert relay() == 1
    assert run() == 1
    assert refresh(notification)["status"] == "sent"


def test_the_platforms_provider_serves_who_has_none(tenant, simulator, run):
    system = TenantFactory.create(is_system=True)
    ProviderFactory.create(tenant=system, shared=True, port=simulator.smtp_port, name="platform")
    [notification] = post(tenant)
    assert run() == 1
    assert refresh(notification)["provider"]["name"] == "platform"


def test_another_tenants_provider_is_never_used(tenant, simulator, run):
    ProviderFactory.create(port=simulator.smtp_port)
    post(tenant)
    assert run() == 0
    assert simulator.count() == 0


def test_bad_credentials_pause_the_provider_and_burn_nothing(tenant, provider, simulator, run):
    simulator.order(target="smtp", kind="status", phase="mail", code=535, enhanced="5.7.8")
    notifications = post(tenant, *[email() for _ in range(50)])
    run()
    health = ProviderHealth.objects.get()
    assert (health.provider_id, health.reason) == (provider.pk, "bad_account")
    assert Notification.objects.filter(status="accepted").count() == 50
    assert OutboxMessage.objects.filter(tries=0, claims=0).count() == 50
    assert Attempt.objects.count() <= 8, "no more calls than were open when the first failed"
    assert refresh(notifications[0])["reason"] == "provider_paused"
    simulator.clear()
    ProviderHealth.objects.all().delete()
    relay()
    assert run() == 50
    assert Notification.objects.filter(status="sent").count() == 50
    assert audit().broken == []


def test_the_next_provider_carries_what_a_paused_one_cannot(tenant, provider, simulator, run):
    ProviderFactory.create(tenant=tenant, priority=200, port=simulator.smtp_port, name="second")
    ProviderHealth.objects.create(
        tenant=tenant, provider=provider, paused_at=timezone.now(), reason="bad_account"
    )
    [notification] = post(tenant)
    run()
    assert refresh(notification)["provider"]["name"] == "second"


def test_a_sender_picks_a_provider_that_allows_it_or_fails(tenant, provider, simulator, run):
    [refused] = post(tenant, email())
    other = ProviderFactory.create(tenant=tenant, priority=200, port=simulator.smtp_port)
    other.settings["allowed_from"] = ["@brand.example"]
    other.save()
    [brand] = post(tenant, email(**{"from": "news@brand.example"}))
    run()
    assert refresh(refused)["provider"]["name"] == provider.name
    assert refresh(brand)["provider"]["name"] == other.name
    other.settings["allowed_from"] = []
    [late] = post(tenant, email(**{"from": "news@brand.example"}))
    other.save()
    run()
    assert (refresh(late)["status"], late.reason) == ("failed", "sender_not_allowed")


def test_shadow_hashes_exactly_what_would_go_and_sends_nothing(tenant, provider, simulator, run):
    [notification] = post(tenant, mode="shadow")
    run()
    seen = refresh(notification)
    assert seen["status"] == "sent"
    [attempt] = seen["attempts"]
    assert attempt["outcome"] == "shadow_would_send"
    assert attempt["shadow"] is True
    assert simulator.count() == 0
    [live] = post(tenant)
    run()
    [sent] = refresh(live)["attempts"]
    assert sent["payload_sha256"] == hashlib.sha256(simulator.messages()[0].raw).hexdigest()
    assert len(attempt["payload_sha256"]) == len(sent["payload_sha256"])


def test_shadow_needs_no_provider(tenant, run):
    [notification] = post(tenant, mode="shadow")
    run()
    assert refresh(notification)["attempts"][0]["outcome"] == "shadow_would_send"


def test_a_test_key_reaches_the_simulator_and_no_provider(tenant, simulator, run, settings):
    settings.SIMULATOR_SMTP = f"127.0.0.1:{simulator.smtp_port}"
    ProviderFactory.create(tenant=tenant, port=9)
    [notification] = post(tenant, mode="test")
    run()
    seen = refresh(notification)
    assert seen["status"] == "sent"
    assert seen["attempts"][0]["provider"] == "simulator"
    assert seen["attempts"][0]["shadow"] is False
    assert simulator.count() == 1


def test_a_test_key_without_a_simulator_is_shadow(tenant, provider, simulator, run, settings):
    settings.SIMULATOR_SMTP = ""
    [notification] = post(tenant, mode="test")
    run()
    assert refresh(notification)["attempts"][0]["outcome"] == "shadow_would_send"
    assert simulator.count() == 0


def test_what_came_too_late_expires_instead_of_being_sent(tenant, provider, simulator, run):
    [notification] = post(tenant)
    OutboxMessage.objects.update(expires_at=timezone.now())
    run()
    assert refresh(notification)["status"] == "expired"
    assert simulator.count() == 0
    assert events(notification)[-1] == "notification.expired"
    assert audit().broken == []


def test_copies_are_reported_on_the_attempt_and_the_state_follows_the_recipient(
    tenant, provider, simulator, run
):
    simulator.order(
        target="smtp", kind="status", phase="rcpt", code=550, match={"recipient": "cc@x.example"}
    )
    [notification] = post(tenant, email(cc=["cc@x.example"], bcc=["bcc@x.example"]))
    run()
    seen = refresh(notification)
    assert seen["status"] == "sent"
    copies = {c["address"]: c["accepted"] for c in seen["attempts"][0]["copies"]}
    assert copies == {"cc@x.example": False, "bcc@x.example": True}


def test_a_deleted_content_ends_the_row_and_not_the_lane(tenant, provider, simulator, run):
    broken, sound = post(tenant, email(), email())
    Notification.objects.filter(pk=broken.pk).update(content_id=F("tenant_id"))
    run()
    assert refresh(broken)["status"] == "failed"
    assert broken.reason == "content_gone"
    assert refresh(sound)["status"] == "sent"


@pytest.mark.parametrize("payload", [{"nonsense": 1}, {"text": 7}, {"attachments": [{}]}, []])
def test_an_unreadable_payload_ends_its_row_and_not_the_lane(
    tenant, provider, simulator, run, payload
):
    broken, sound = post(tenant, email(), email())
    Content.objects.filter(pk=broken.pk).update(payload=payload)
    run()
    assert refresh(broken)["status"] == "failed"
    assert broken.reason == "unreadable"
    assert refresh(sound)["status"] == "sent"


def test_five_hundred_of_many_tenants_all_arrive_once(transactional_db, simulator, run):
    tenants: list[Tenant] = [TenantFactory.create() for _ in range(5)]
    for tenant in tenants:
        ProviderFactory.create(tenant=tenant, port=simulator.smtp_port)
        post(tenant, *[email(recipient=f"r{i}@x.example") for i in range(100)])
    while run():
        pass
    keys = [arrival["key"] for arrival in simulator.arrivals()]
    assert len(keys) == 500 == len(set(keys))
    assert Notification.objects.filter(status="sent").count() == 500
    assert audit().broken == []
