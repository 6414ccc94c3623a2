"""Whom a tenant must not write to is not written to, although accepted before it was known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery.audit import audit
from delivery.claim import claim
from delivery.compose import compose
from delivery.driver import Kind, Report
from delivery.receive import keep
from delivery.simulator.server import Simulator
from notifications.models import (
    Attempt,
    DeadLetter,
    Event,
    Notification,
    OutboxMessage,
    Suppression,
)
from notifications.replay import replay
from notifications.suppression import suppress
from tenants.models import Provider, Tenant
from tests.delivery.receipts import vendors
from tests.delivery.receipts.conftest import applied, status, types
from tests.factories import ProviderFactory, TenantFactory, email, post, shown

pytestmark = pytest.mark.django_db(transaction=True)

ADA = "ada@recipient.example"


@pytest.fixture
def mail(tenant: Tenant, simulator: Simulator) -> Provider:
    return vendors.resend(tenant, simulator.http_url)


def ends(notification: Notification, run: Callable[[], int]) -> tuple[str, str | None]:
    """How it ended without a call."""
    assert run() == 0
    notification.refresh_from_db()
    assert audit().broken == []
    return notification.status, notification.reason


@pytest.mark.parametrize("reason", Suppression.Reason.values)
def test_it_is_not_sent(tenant, provider, run, simulator, reason):
    [notification] = post(tenant)
    suppress(tenant.pk, "live", "email", "ADA@recipient.example", reason)
    assert ends(notification, run) == ("suppressed", f"suppression:{reason}")
    assert simulator.count() == 0
    assert not Attempt.objects.exists()
    assert not OutboxMessage.objects.exists()
    assert not DeadLetter.objects.exists()
    assert types(notification) == ["accepted", "suppressed"]
    said = Event.objects.get(type="notification.suppressed")
    assert said.data == {"reason": f"suppression:{reason}"}


def test_without_a_provider_too(tenant, run):
    [notification] = post(tenant)
    suppress(tenant.pk, "live", "email", ADA, "manual")
    assert ends(notification, run) == ("suppressed", "suppression:manual")


def test_a_scheduled_one_looks_when_it_is_due(tenant, provider, run, simulator):
    at = (timezone.now() + timedelta(hours=1)).isoformat()
    [notification] = post(tenant, email(scheduled_at=at))
    suppress(tenant.pk, "live", "email", ADA, "complaint")
    assert run() == 0
    assert status(notification) == "scheduled"
    OutboxMessage.objects.update(due_at=timezone.now())
    assert ends(notification, run) == ("suppressed", "suppression:complaint")
    assert simulator.count() == 0


def test_a_refused_one_is_not_tried_again(tenant, provider, run, simulator):
    simulator.order(target="smtp", kind="status", code=451, enhanced="4.3.0", times=1)
    [notification] = post(tenant)
    assert run() == 1
    suppress(tenant.pk, "live", "email", ADA, "hard_bounce")
    OutboxMessage.objects.update(due_at=timezone.now())
    assert ends(notification, run) == ("suppressed", "suppression:hard_bounce")
    assert simulator.count() == 0


def test_what_may_have_left_is_failed_until_a_receipt_says_more(tenant, mail, run, simulator):
    simulator.order(target="resend", kind="cut_after_accept", times=1)
    [notification] = post(tenant)
    assert run() == 1
    suppress(tenant.pk, "live", "email", ADA, "hard_bounce")
    OutboxMessage.objects.update(due_at=timezone.now())
    assert ends(notification, run) == ("failed", "suppression:hard_bounce")
    assert DeadLetter.objects.get().reason == "suppression:hard_bounce"
    assert replay([notification.pk]) == [notification.pk]
    assert ends(notification, run) == ("failed", "suppression:hard_bounce")
    assert simulator.count() == 1
    keep(mail, [Report(Kind.DELIVERED, "m1", shown(notification))])
    applied()
    assert status(notification) == "delivered"
    assert not DeadLetter.objects.filter(closed_at=None).exists()


def test_taken_off_the_list_it_is_sent(tenant, provider, run):
    [notification] = post(tenant)
    row, _ = suppress(tenant.pk, "live", "email", ADA, "manual")
    row.delete()
    assert run() == 1
    assert status(notification) == "sent"


def test_others_go(tenant, provider, run):
    found = post(tenant, email(), email(recipient="bob@recipient.example"))
    suppress(tenant.pk, "test", "email", ADA, "manual")
    suppress(tenant.pk, "live", "sms", ADA, "manual")
    suppress(TenantFactory.create().pk, "live", "email", ADA, "manual")
    assert run() == 2
    assert {status(row) for row in found} == {"sent"}


def test_the_next_in_order_goes(tenant, provider, run):
    bob = "bob@recipient.example"
    first, second = post(tenant, email(ordering_key="k"), email(ordering_key="k", recipient=bob))
    suppress(tenant.pk, "live", "email", ADA, "manual")
    run()
    run()
    assert [status(first), status(second)] == ["suppressed", "sent"]


@pytest.mark.parametrize("count", [1, 10])
def test_it_costs_no_query(tenant, provider, count):
    post(tenant, *[email(recipient=f"u{n}@recipient.example") for n in range(count)])
    claims = claim(2 * count)
    assert len(claims) == count
    with CaptureQueriesContext(connection) as asked:
        compose(claims)
    looks = [q["sql"] for q in asked if "notifications_suppression" in q["sql"]]
    loads = [q["sql"] for q in asked if "notifications_content" in q["sql"]]
    assert len(looks) == 1
    assert looks == loads


def copies(notification: Notification) -> dict[str, tuple[bool, str]]:
    attempt = Attempt.objects.get(subject_id=notification.pk)
    return {c["address"]: (c["accepted"], c["detail"]) for c in attempt.copies or []}


@pytest.mark.parametrize("by", ["smtp", "resend"])
def test_a_copy_is_left_out_and_the_attempt_says_so(tenant, run, simulator, by):
    if by == "smtp":
        ProviderFactory.create(tenant=tenant, port=simulator.smtp_port)
    else:
        vendors.resend(tenant, simulator.http_url)
    given = email(
        cc=["good@copy.example", "gone@copy.example"],
        bcc=["gone@blind.example", "good@blind.example"],
    )
    [notification] = post(tenant, given)
    for address in ("GONE@copy.example", "gone@blind.example"):
        suppress(tenant.pk, "live", "email", address, "complaint")
    suppress(tenant.pk, "test", "email", "good@copy.example", "complaint")
    suppress(TenantFactory.create().pk, "live", "email", "good@blind.example", "complaint")
    assert run() == 1
    assert status(notification) == "sent"
    [mail] = simulator.messages()
    assert set(mail.recipients) == {ADA, "good@copy.example", "good@blind.example"}
    assert b"gone" not in mail.raw.lower()
    said = copies(notification)
    assert {address for address, (taken, _) in said.items() if taken} == {
        "good@copy.example", "good@blind.example"
    }  # fmt: skip
    assert {a: said[a] for a in ("gone@copy.example", "gone@blind.example")} == dict.fromkeys(
        ("gone@copy.example", "gone@blind.example"), (False, "suppressed")
    )


def test_copies_are_looked_up_in_one_read_and_only_where_there_are_some(tenant, provider):
    def reads(*given: dict[str, Any]) -> int:
        post(tenant, *given)
        with CaptureQueriesContext(connection) as asked:
            compose(claim(8))
        return len([q for q in asked if "notifications_suppression s" in q["sql"]]) - 1

    assert reads(email(), email()) == 0
    assert reads(email(cc=["a@copy.example"]), email(bcc=["b@copy.example"]), email()) == 1
