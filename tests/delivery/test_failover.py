"""Several providers: who is called, why, and what becomes of one that fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from delivery import health
from delivery.audit import audit
from delivery.breaker import OPENS_ERRORS
from delivery.models import ProviderHealth
from delivery.relay import relay
from notifications.models import Attempt, Event, Lane, Notification, OutboxMessage
from notifications.record import show
from tenants.models import Provider, Tenant
from tests.factories import ProviderFactory, TenantFactory, email, post

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dead(tenant: Tenant) -> Provider:
    """Comes first, and nobody listens there."""
    return ProviderFactory.create(tenant=tenant, name="dead", priority=1, port=1)


@pytest.fixture
def spare(provider: Provider) -> Provider:
    """Comes second, and works."""
    return provider


def make_due() -> None:
    OutboxMessage.objects.update(due_at=timezone.now(), leased_by=None)


def record(notification: Notification) -> dict[str, Any]:
    notification.refresh_from_db()
    return show(notification)


def routes(notification: Notification) -> list[tuple[str, str, list[dict[str, str]]]]:
    return [
        (a["provider"], a["route"]["reason"], a["route"]["passed_over"])
        for a in record(notification)["attempts"]
    ]


def opened(provider: Provider, *, seconds: float, trouble: str = "failing") -> ProviderHealth:
    """It is open until so many seconds from now."""
    row, _ = ProviderHealth.objects.update_or_create(
        provider=provider,
        tenant=provider.tenant,
        defaults={
            "open_until": timezone.now() + timedelta(seconds=seconds),
            "trouble": trouble,
            "openings": 1,
            "degraded_at": timezone.now(),
        },
    )
    return row


def told(tenant: Tenant) -> list[tuple[str, str | None]]:
    rows = Event.objects.filter(tenant=tenant, notification_id=None)
    return [(e.type, e.data["reason"]) for e in rows.order_by("transaction", "id")]


def test_what_the_first_refused_goes_through_the_second(tenant, dead, spare, run):
    [notification] = post(tenant)
    run()
    row = OutboxMessage.objects.get()
    assert (row.tries, record(notification)["status"]) == (1, "queued")
    make_due()
    run()
    assert routes(notification) == [
        ("dead", "primary", []),
        (spare.name, "failover", [{"provider": "dead", "reason": "refused"}]),
    ]
    assert record(notification)["status"] == "sent"
    assert audit().broken == []


def test_a_dead_primary_is_left_alone_and_its_tenant_is_told(tenant, dead, spare, simulator, run):
    post(tenant, *[email()] * (OPENS_ERRORS + 3))
    run()
    known = ProviderHealth.objects.get(provider=dead)
    assert (known.trouble, known.openings) == ("failing", 1)
    assert known.open_until is not None
    assert known.open_until > timezone.now()
    assert told(tenant) == [("provider.degraded", "failing")]
    [notification] = post(tenant)
    run()
    assert routes(notification) == [
        (spare.name, "failover", [{"provider": "dead", "reason": "failing"}])
    ]
    make_due()
    run()
    assert not OutboxMessage.objects.exists()
    assert simulator.count() == OPENS_ERRORS + 4


def test_a_stranger_learns_nothing_of_it(tenant, dead, run):
    post(tenant, *[email()] * OPENS_ERRORS)
    run()
    assert told(tenant) == [("provider.degraded", "failing")]
    assert told(TenantFactory.create()) == []


def test_with_nobody_else_its_lane_waits_and_no_try_is_burned(tenant, dead, run):
    opened(dead, seconds=60)
    [notification] = post(tenant)
    assert run() == 0
    assert record(notification)["reason"] == "provider_failing"
    row = OutboxMessage.objects.get()
    assert (row.tries, row.claims) == (0, 0)
    assert relay() == 0
    assert Lane.objects.get().reason == "provider_failing"
    assert not Attempt.objects.exists()


def test_when_its_time_is_over_one_message_tries_it(tenant, provider, simulator, run):
    opened(provider, seconds=-1)
    found = post(tenant, *[email()] * 5)
    run()
    sent = [n for n in found if record(n)["status"] == "sent"]
    assert len(sent) == 1
    assert routes(sent[0]) == [(provider.name, "probe", [])]
    known = ProviderHealth.objects.get()
    assert (known.open_until, known.degraded_at, known.probe_until) == (None, None, None)
    assert told(tenant) == [("provider.recovered", None)]
    assert relay() == 1, "the lane goes on"
    run()
    assert simulator.count() == 5
    assert audit().broken == []


def test_a_failed_probe_opens_it_for_longer(tenant, dead, run):
    opened(dead, seconds=-1)
    post(tenant, *[email()] * 5)
    run()
    known = ProviderHealth.objects.get()
    assert known.openings == 2
    assert known.open_until is not None
    assert known.open_until - timezone.now() > timedelta(seconds=8)
    assert Attempt.objects.count() == 1
    assert told(tenant) == []


def test_while_it_is_probed_nothing_else_goes_there(tenant, dead, spare, simulator, run):
    row = opened(dead, seconds=-1)
    ProviderHealth.objects.filter(pk=row.pk).update(
        probe_until=timezone.now() + timedelta(seconds=60)
    )
    [notification] = post(tenant)
    run()
    assert routes(notification) == [
        (spare.name, "failover", [{"provider": "dead", "reason": "probing"}])
    ]


def test_a_slow_one_is_used_when_nothing_else_is_left(tenant, provider, run):
    opened(provider, seconds=60, trouble="slow")
    [notification] = post(tenant)
    run()
    assert routes(notification) == [(provider.name, "last_resort", [])]


def test_one_recipients_trouble_is_not_the_providers(tenant, provider, simulator, run):
    simulator.order(
        target="smtp", kind="status", phase="rcpt", code=450, enhanced="4.2.2", times=20
    )
    post(tenant, *[email()] * 20)
    run()
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"refused"}
    assert not ProviderHealth.objects.exists()


def test_a_healthy_provider_costs_no_row(tenant, provider, run):
    post(tenant, *[email()] * 20)
    assert run() == 20
    assert not ProviderHealth.objects.exists()


def test_what_was_taken_away_comes_back_in_time(tenant, provider):
    row = opened(provider, seconds=-1)
    ProviderHealth.objects.filter(pk=row.pk).update(
        open_until=None,
        trouble=None,
        share=90,
        share_changed_at=timezone.now() - timedelta(hours=1),
    )
    health.drift()
    row.refresh_from_db()
    assert (row.share, row.degraded_at) == (100, None)
    assert told(tenant) == [("provider.recovered", None)]


def test_a_sender_of_one_that_is_paused_waits_alone(tenant, provider, simulator, run):
    """Others of its lane go on through the other provider, and nobody looks all the time."""
    other = ProviderFactory.create(
        tenant=tenant,
        settings={**provider.settings, "from_email": "news@other.example"},
    )
    ProviderHealth.objects.create(
        tenant=tenant, provider=other, paused_at=timezone.now(), reason="bad_account"
    )
    waits, goes = post(tenant, email(**{"from": "news@other.example"}), email())
    run()
    assert record(goes)["status"] == "sent"
    seen = record(waits)
    assert seen["status"] == "queued"
    assert Lane.objects.get().paused_at is None
    row = OutboxMessage.objects.get()
    assert row.due_at > timezone.now() + timedelta(seconds=10)
    assert row.tries == 0
    ProviderHealth.objects.all().delete()
    make_due()
    run()
    assert record(waits)["status"] == "sent"
    assert simulator.count() == 2


class TestAfterALostAnswer:
    def test_it_goes_to_the_same_again_though_another_comes_first(
        self, tenant, provider, simulator, run
    ):
        simulator.order(target="smtp", kind="cut_after_accept", times=1)
        [notification] = post(tenant)
        run()
        ProviderFactory.create(tenant=tenant, priority=1, port=simulator.smtp_port)
        make_due()
        run()
        assert [r[:2] for r in routes(notification)] == [
            (provider.name, "only_provider"),
            (provider.name, "after_unknown"),
        ]

    def test_it_goes_elsewhere_only_where_that_cannot_be_called(
        self, tenant, provider, simulator, run
    ):
        simulator.order(target="smtp", kind="cut_after_accept", times=1)
        [notification] = post(tenant)
        run()
        Provider.objects.filter(pk=provider.pk).update(priority=F("priority") - 50)
        opened(provider, seconds=60)
        spare = ProviderFactory.create(tenant=tenant, port=simulator.smtp_port)
        make_due()
        run()
        assert routes(notification)[1] == (
            spare.name,
            "failover",
            [{"provider": provider.name, "reason": "failing"}],
        )


class TestLimits:
    def test_a_rate_is_kept_and_what_is_over_waits(self, tenant, provider, simulator, run):
        Provider.objects.update(max_per_second=3)
        post(tenant, *[email()] * 10)
        run()
        sent = simulator.count()
        assert 3 <= sent <= 5, "a second's worth, and what came while it was sent"
        lane = Lane.objects.get()
        assert (lane.reason, lane.resume_at is not None) == ("provider_limited", True)
        assert OutboxMessage.objects.filter(tries=0, claims=0).count() == 10 - sent
        assert ProviderHealth.objects.count() == 0

    def test_the_lane_goes_on_when_there_is_leave_again(self, tenant, provider, simulator, run):
        Provider.objects.update(max_per_second=3)
        post(tenant, *[email()] * 5)
        run()
        Lane.objects.update(resume_at=timezone.now() + timedelta(hours=1))
        assert relay() == 0
        Lane.objects.update(resume_at=timezone.now())
        assert relay() == 1

    def test_over_the_first_ones_rate_the_next_one_carries(self, tenant, provider, simulator, run):
        Provider.objects.update(max_per_second=0.001, priority=1)
        spare = ProviderFactory.create(tenant=tenant, port=simulator.smtp_port)
        found = post(tenant, *[email()] * 3)
        run()
        over = [{"provider": provider.name, "reason": "limited"}]
        ways = [way for notification in found for way in routes(notification)]
        assert ways.count((provider.name, "primary", [])) == 1
        assert ways.count((spare.name, "failover", over)) == 2

    def test_what_is_urgent_goes_first(self, tenant, provider, simulator, run):
        Provider.objects.update(max_per_second=0.001)
        post(tenant, email(priority="bulk"), email(), email(priority="high", recipient="h@x.org"))
        run()
        [mail] = simulator.messages()
        assert list(mail.recipients) == ["h@x.org"]

    def test_no_more_calls_at_once_than_allowed(self, tenant, provider, simulator, run):
        Provider.objects.update(max_in_flight=2)
        simulator.order(target="smtp", kind="slow", seconds=0.2)
        post(tenant, *[email()] * 6)
        run()
        spans = Attempt.objects.filter(finished_at__isnull=False)
        for span in spans:
            during = spans.filter(started_at__lt=span.finished_at, finished_at__gt=span.started_at)
            assert during.count() <= 3, "it, one other, and one that settles in this moment"
        make_due()
        while OutboxMessage.objects.exists():
            make_due()
            run()
        assert simulator.count() == 6
        assert audit().broken == []
