"""The simulator's vendors call our real address, over HTTP: signed, late, doubled, shuffled, forged."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from delivery.accounts import reports_to
from delivery.models import Receipt
from delivery.simulator.server import Simulator
from notifications import webhooks
from notifications.accept import Owner
from notifications.events import EVENTS
from notifications.models import (
    Attempt,
    Event,
    Notification,
    OutboxMessage,
    Suppression,
    WebhookDelivery,
)
from tenants.models import Provider, Tenant
from tests.delivery.receipts.conftest import applied, status, types
from tests.delivery.receipts.vendors import SECRET, SMS
from tests.factories import email, post
from tests.tenancy import together

pytestmark = pytest.mark.django_db(transaction=True)

VENDORS = ["resend", "twilio"]


@pytest.fixture(autouse=True)
def public(live_server: LiveServer, settings: Any) -> None:
    """Vendors reach us where we say that we are."""
    settings.PUBLIC_URL = live_server.url


@pytest.fixture
def vendor(request: Any, mail: Provider, text: Provider) -> Provider:
    return {"resend": mail, "twilio": text}[request.param]


def order(sim: Simulator, at: Provider, kind: str = "callbacks", **callbacks: Any) -> None:
    """Resend is told where to call in its dashboard, Twilio by each message."""
    told = {"url": reports_to(at), "secret": SECRET} if at.driver == "resend" else {}
    more = {"seconds": 1} if kind == "slow" else {}
    sim.order(target=at.driver, kind=kind, times=1, callbacks=told | callbacks, **more)


def notify(tenant: Tenant, at: Provider) -> Notification:
    [notification] = post(tenant, email() if at.channel == "email" else SMS)
    return notification


@pytest.mark.parametrize("vendor", VENDORS, indirect=True)
def test_signed_and_in_order(tenant, vendor, simulator, run):
    order(simulator, vendor, news=["accepted", "delivered"])
    notification = notify(tenant, vendor)
    run()
    assert simulator.called_back(2) == [200, 200]
    applied()
    assert status(notification) == "delivered"
    assert types(notification) == ["accepted", "attempted", "sent", "delivered"]


@pytest.mark.parametrize("vendor", VENDORS, indirect=True)
def test_late(tenant, vendor, simulator, run):
    order(simulator, vendor, news=["delivered"], after=0.7)
    notification = notify(tenant, vendor)
    run()
    applied()
    assert status(notification) == "sent"
    assert simulator.called_back(1) == [200]
    applied()
    assert status(notification) == "delivered"


@pytest.mark.parametrize("vendor", VENDORS, indirect=True)
def test_doubled(tenant, vendor, simulator, run):
    order(simulator, vendor, news=["delivered", "opened"], times=5)
    notification = notify(tenant, vendor)
    run()
    assert simulator.called_back(10) == [200] * 10
    applied()
    assert types(notification) == ["accepted", "attempted", "sent", "delivered", "opened"]
    assert Receipt.objects.count() == 2


@pytest.mark.parametrize("seed", range(4))
def test_out_of_order(tenant, mail, simulator, run, seed):
    news = ["accepted", "deferred", "delivered", "opened", "complained"]
    order(simulator, mail, news=news, times=2, shuffled=True, seed=seed)
    notification = notify(tenant, mail)
    run()
    assert simulator.called_back(10) == [200] * 10
    applied()
    assert (status(notification), notification.reason) == ("complained", "complaint")
    assert Suppression.objects.get().reason == "complaint"


@pytest.mark.parametrize("vendor", VENDORS, indirect=True)
def test_before_our_own_settle(tenant, vendor, simulator, slots):
    order(simulator, vendor, "slow", news=["delivered"])
    notification = notify(tenant, vendor)

    def act(i: int) -> None:
        if i:
            slots.run(seconds=30)
        else:
            assert simulator.called_back(1) == [200]
            applied()

    together(2, act)
    Receipt.objects.filter(applied_at=None).update(due_at=notification.created_at)
    applied()
    assert status(notification) == "delivered"
    assert types(notification).count("sent") == 1
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.provider_message_id) == (
        "sent", notification.provider_message_id,
    )  # fmt: skip


@pytest.mark.parametrize("vendor", VENDORS, indirect=True)
def test_of_a_call_whose_answer_is_lost_it_is_sent_once(tenant, vendor, simulator, run):
    order(simulator, vendor, "cut_after_accept", news=["delivered"])
    notification = notify(tenant, vendor)
    run()
    assert Attempt.objects.get().outcome == "unknown"
    assert simulator.called_back(1) == [200]
    applied()
    assert status(notification) == "delivered"
    assert not OutboxMessage.objects.exists()
    assert run() == 0
    assert simulator.count() == 1


@pytest.mark.parametrize("vendor", VENDORS, indirect=True)
def test_forged(tenant, vendor, simulator, run):
    order(simulator, vendor, news=["delivered", "bounced"], times=3, forged=True)
    notification = notify(tenant, vendor)
    run()
    assert simulator.called_back(6) == [403] * 6
    applied()
    assert status(notification) == "sent"
    assert types(notification) == ["accepted", "attempted", "sent"]
    assert not Receipt.objects.exists()
    assert not Suppression.objects.exists()


def test_what_came_back_is_not_written_to_again(tenant, mail, simulator, run):
    order(simulator, mail, news=["bounced"])
    notification = notify(tenant, mail)
    run()
    simulator.called_back(1)
    applied()
    assert (status(notification), notification.reason) == ("bounced", "hard_bounce")
    again = notify(tenant, mail)
    assert run() == 0
    assert status(again) == "suppressed"
    assert simulator.count() == 1


def test_everything_told_becomes_webhooks(tenant, mail, simulator, run):
    news = ["delivered", "deferred", "opened", "clicked", "complained"]
    webhooks.add(Owner(tenant.pk, "live"), {"url": "http://127.0.0.1:9/"}, {})
    order(simulator, mail, news=news)
    notification = notify(tenant, mail)
    run()
    simulator.called_back(5)
    applied()
    assert types(notification)[3:] == news
    told = Event.objects.filter(pk__in=WebhookDelivery.objects.values("event_id"))
    found = {event.type for event in told}
    assert {f"notification.{kind}" for kind in news} <= found <= {*EVENTS}
