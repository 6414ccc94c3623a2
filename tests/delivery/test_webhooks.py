"""Webhooks walk the street: told, signed, retried, given up, told again."""

from __future__ import annotations

import base64
import hmac
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from delivery import receivers
from delivery.audit import audit
from delivery.reconcile import reconcile
from delivery.relay import relay
from delivery.webhooks import STEPS_SECONDS
from hiram.lib import ids
from notifications import webhooks
from notifications.accept import Owner
from notifications.cancel import cancel
from notifications.models import (
    Attempt,
    DeadLetter,
    Event,
    Lane,
    Notification,
    OutboxMessage,
    WebhookDelivery,
    WebhookEndpoint,
)
from tenants.models import Tenant
from tests.delivery.receiver import Came, Receiver, status
from tests.factories import TenantFactory, email, post, shown

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


def endpoint(
    tenant: Tenant, receiver: Receiver, mode: str = "live", **given: Any
) -> tuple[WebhookEndpoint, str]:
    headers = given.pop("headers", {})
    return webhooks.add(Owner(tenant.pk, mode), {"url": receiver.url} | given, headers)


def types(receiver: Receiver) -> list[str]:
    return [json.loads(came.body)["type"] for came in receiver.came]


def make_due() -> None:
    OutboxMessage.objects.update(due_at=timezone.now(), leased_by=None)


def drain(run: Any) -> None:
    while run():
        pass


def verified(came: Came, secret: str) -> Any:
    """As the official package verifies it."""
    return Webhook(secret).verify(
        came.body.decode(), {k.lower(): v for k, v in came.headers.items()}
    )


def test_every_event_is_told_signed_and_once(tenant, provider, receiver, run):
    hook, secret = endpoint(tenant, receiver, headers={"X-Team": "billing"})
    [notification] = post(tenant, email(metadata={"order": "1"}))
    drain(run)
    assert Counter(types(receiver)) == {
        "notification.accepted": 1,
        "notification.attempted": 1,
        "notification.sent": 1,
    }
    for came in receiver.came:
        said = verified(came, secret)
        assert said["data"]["notification_id"] == shown(notification)
        assert said["data"]["metadata"] == {"order": "1"}
        assert said["data"]["mode"] == "live"
        assert came.headers["X-Team"] == "billing"
        event = Event.objects.get(pk=ids.parse("evt", came.headers["webhook-id"]))
        assert event.type == said["type"]
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"sent"}
    assert not OutboxMessage.objects.exists()
    assert hook.first_failed_at is None
    report = audit()
    assert report.broken == []
    assert {b.channel: (b.accepted, b.owed) for b in report.balances} == {
        "email": (1, 0),
        "webhook": (3, 0),
    }


def test_our_own_header_is_as_documented(tenant, provider, receiver, run):
    _, secret = endpoint(tenant, receiver, events=["notification.sent"])
    post(tenant)
    drain(run)
    [came] = receiver.came
    fields = dict(part.split("=", 1) for part in came.headers["X-Hiram-Signature"].split(","))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = hmac.new(key, f"{fields['t']}.".encode() + came.body, "sha256").hexdigest()
    assert fields["v1"] == wanted
    assert fields["t"] == came.headers["webhook-timestamp"]


def test_one_that_asks_is_signed_with_ed25519_too(tenant, provider, receiver, run):
    hook, secret = endpoint(tenant, receiver, asymmetric=True, events=["notification.sent"])
    post(tenant)
    drain(run)
    [came] = receiver.came
    signatures = dict(one.split(",", 1) for one in came.headers["webhook-signature"].split())
    assert signatures.keys() == {"v1", "v1a"}
    public = base64.b64decode(webhooks.show(hook)["public_key"].removeprefix("whpk_"))
    signed = f"{came.headers['webhook-id']}.{came.headers['webhook-timestamp']}.".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(
        base64.b64decode(signatures["v1a"]), signed + came.body
    )
    assert verified(came, secret)


def test_only_what_was_asked_for_and_only_in_its_mode(tenant, provider, receiver, run):
    endpoint(tenant, receiver, events=["notification.failed", "notification.canceled"])
    endpoint(TenantFactory.create(), receiver)
    endpoint(tenant, receiver, "test", events=["notification.accepted"])
    _, two, three = post(tenant, email(), email(recipient="bounce@simulator.test"), email())
    cancel(Notification.objects.filter(pk=three.pk))
    drain(run)
    told = {
        (json.loads(c.body)["type"], json.loads(c.body)["data"]["notification_id"])
        for c in receiver.came
    }
    assert told == {
        ("notification.failed", shown(two)),
        ("notification.canceled", shown(three)),
    }
    post(tenant, mode="test")
    drain(run)
    last = json.loads(receiver.came[-1].body)
    assert (last["type"], last["data"]["mode"]) == ("notification.accepted", "test")


def test_a_failure_is_tried_again_with_the_same_id_and_body(tenant, provider, receiver, run):
    receiver.behave = status(500, b"oh no \x1b[31m")
    _, secret = endpoint(tenant, receiver, events=["notification.sent"])
    post(tenant)
    drain(run)
    row = OutboxMessage.objects.get()
    wait = (row.due_at - timezone.now()).total_seconds()
    assert 3 < wait <= 6
    attempt = Attempt.objects.get(subject_id=row.pk)
    assert (attempt.outcome, attempt.code, attempt.error) == ("refused", "500", "HTTP 500")
    assert attempt.response is not None
    assert attempt.response.startswith("oh no")
    assert "\x1b" not in attempt.response
    assert WebhookEndpoint.objects.filter(first_failed_at__isnull=False).count() == 1
    receiver.behave = status(204)
    make_due()
    drain(run)
    first, second = receiver.came
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    verified(second, secret)
    assert WebhookEndpoint.objects.get().first_failed_at is None
    assert [a.outcome for a in Attempt.objects.filter(subject_id=row.pk).order_by("number")] == [
        "refused",
        "sent",
    ]


@pytest.mark.parametrize("code", [301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
def test_whatever_is_not_2xx_is_a_failure_and_no_redirect_is_followed(
    tenant, provider, receiver, run, code
):
    receiver.behave = status(code, Location=receiver.url + "/elsewhere")
    endpoint(tenant, receiver, events=["notification.sent"])
    post(tenant)
    drain(run)
    assert [came.path for came in receiver.came] == ["/hook"]
    assert OutboxMessage.objects.get().tries == 1


def test_it_slows_down_as_it_is_asked(tenant, provider, receiver, run):
    receiver.behave = status(429, Retry_After="900")
    endpoint(tenant, receiver, events=["notification.sent"])
    post(tenant)
    drain(run)
    wait = (OutboxMessage.objects.get().due_at - timezone.now()).total_seconds()
    assert 890 < wait <= 900


def test_the_schedule_is_kept_and_then_it_is_given_up(tenant, provider, receiver, run):
    receiver.behave = status(500)
    hook, _ = endpoint(tenant, receiver, events=["notification.sent"])
    post(tenant)
    drain(run)
    waits = []
    while row := OutboxMessage.objects.first():
        waits.append((row.due_at - timezone.now()).total_seconds())
        make_due()
        drain(run)
    assert len(waits) == len(STEPS_SECONDS)
    for wait, step in zip(waits, STEPS_SECONDS, strict=True):
        assert step * 0.8 - 1 <= wait <= step * 1.2
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.reason) == ("failed", "exhausted")
    assert DeadLetter.objects.get().notification_id == delivery.pk
    assert len(receiver.came) == 10
    assert audit().broken == []
    receiver.behave = status(200)
    assert webhooks.recover(hook, timezone.now() - timedelta(hours=1)) == 1
    drain(run)
    assert len(receiver.came) == 11
    assert not DeadLetter.objects.filter(closed_at=None).exists()
    assert webhooks.recover(hook, timezone.now() - timedelta(hours=1)) == 0
    assert audit().broken == []


def test_410_disables_it(tenant, provider, receiver, run):
    other, _ = endpoint(tenant, receiver, events=["webhook.disabled"], url=receiver.url + "/other")
    receiver.behave = lambda handler: status(200 if "other" in handler.path else 410)(handler)
    hook, _ = endpoint(tenant, receiver, events=["notification.sent"])
    post(tenant)
    drain(run)
    hook.refresh_from_db()
    assert hook.disabled_reason == "gone"
    drain(run)
    told = json.loads(receiver.came[-1].body)
    assert told["type"] == "webhook.disabled"
    assert told["data"]["webhook_id"] == ids.show("whk", hook.pk)
    before = len(receiver.came)
    post(tenant)
    drain(run)
    assert len(receiver.came) == before
    assert other.disabled_at is None
    webhooks.change(hook, {}, None, enabled=True)
    receiver.behave = status(200)
    assert webhooks.recover(hook, timezone.now() - timedelta(hours=1)) == 2
    drain(run)
    assert types(receiver)[before:] == ["notification.sent"] * 2
    assert audit().broken == []


def test_five_days_of_failures_disable_it(tenant, receiver):
    hook, _ = endpoint(tenant, receiver)
    for days, disabled in ((4.9, False), (5.1, True)):
        since = timezone.now() - timedelta(days=days)
        WebhookEndpoint.objects.update(first_failed_at=since)
        reconcile()
        hook.refresh_from_db()
        assert (hook.disabled_reason == "failing") is disabled
    assert receivers.give_up() == 0
    assert Event.objects.get(type="webhook.disabled").data["reason"] == "failing"


def test_what_is_disabled_by_hand_keeps_what_it_is_owed(tenant, provider, receiver, run):
    receiver.behave = status(500)
    hook, _ = endpoint(tenant, receiver, events=["notification.sent"])
    post(tenant)
    drain(run)
    webhooks.change(hook, {}, None, enabled=False)
    make_due()
    drain(run)
    assert len(receiver.came) == 1
    assert (relay(), Lane.objects.get(pk=hook.pk).reason) == (0, "webhook_disabled")
    receiver.behave = status(200)
    webhooks.change(hook, {}, None, enabled=True)
    drain(run)
    assert len(receiver.came) == 2


def test_one_that_asks_is_told_in_order(tenant, provider, simulator, receiver, run):
    endpoint(tenant, receiver, ordered=True)
    fails = Counter[str]()

    def behave(handler: Any) -> None:
        kind = json.loads(receiver.came[-1].body)["type"]
        fails[kind] += 1
        status(500 if fails[kind] == 1 else 200)(handler)

    receiver.behave = behave
    post(tenant)
    for _ in range(10):
        drain(run)
        OutboxMessage.objects.filter(fence__gt=0).update(due_at=timezone.now(), leased_by=None)
    assert types(receiver) == [
        kind for name in ("accepted", "attempted", "sent") for kind in [f"notification.{name}"] * 2
    ]
    assert not OutboxMessage.objects.exists()
    assert audit().broken == []


def test_a_rate_is_kept(tenant, provider, receiver, run):
    endpoint(tenant, receiver, events=["notification.sent"], rate_limit=2)
    post(tenant, *[email()] * 8)
    drain(run)
    assert 2 <= len(receiver.came) <= 4
    lane = Lane.objects.get(topic="webhook")
    assert lane.reason == "webhook_limited"
    Lane.objects.update(resume_at=timezone.now())
    assert relay() >= 1


def test_a_rotated_secret_signs_on_for_a_day(tenant, provider, receiver, run):
    hook, old = endpoint(tenant, receiver, events=["notification.sent"])
    new = webhooks.rotate(hook)
    post(tenant)
    drain(run)
    [came] = receiver.came
    assert verified(came, new) == verified(came, old)
    for _ in range(5):
        webhooks.rotate(hook)
    post(tenant)
    drain(run)
    signatures = receiver.came[-1].headers["webhook-signature"].split()
    assert len(signatures) == 5
    with pytest.raises(WebhookVerificationError):
        verified(receiver.came[-1], old)


def test_a_deleted_one_is_told_nothing_more(tenant, provider, receiver, run):
    receiver.behave = status(500)
    hook, _ = endpoint(tenant, receiver, events=["notification.sent"])
    post(tenant)
    drain(run)
    webhooks.remove(hook)
    make_due()
    drain(run)
    assert len(receiver.came) == 1
    assert not OutboxMessage.objects.exists()
    assert WebhookDelivery.objects.get().status == "canceled"
    assert audit().broken == []


def test_without_an_endpoint_nothing_is_owed(tenant, provider, run):
    post(tenant)
    drain(run)
    assert not WebhookDelivery.objects.exists()


def test_a_test_goes_to_it_alone(tenant, receiver, run):
    hook, secret = endpoint(tenant, receiver, events=["notification.failed"])
    endpoint(tenant, receiver, url=receiver.url + "/other")
    event = webhooks.test(hook)
    drain(run)
    [came] = receiver.came
    assert came.path == "/hook"
    assert verified(came, secret)["type"] == "webhook.test"
    assert ids.parse("evt", came.headers["webhook-id"]) == event


def endless(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(10 * 2**30))
    handler.end_headers()
    for _ in range(10 * 2**10):
        handler.wfile.write(b"x" * 2**20)


def cut(handler: Any) -> None:
    handler.connection.shutdown(2)


def informs(handler: Any) -> None:
    for _ in range(1_000_000):
        handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.parametrize(
    ("behave", "outcome"), [(endless, "sent"), (cut, "unknown"), (informs, "refused")]
)
@pytest.mark.usefixtures("provider")
def test_a_hostile_receiver_costs_one_attempt(tenant, receiver, run, settings, behave, outcome):
    settings.CALL_SECONDS = 2
    receiver.behave = behave
    endpoint(tenant, receiver, events=["notification.sent"])
    post(tenant)
    drain(run)
    delivery = WebhookDelivery.objects.get()
    assert Attempt.objects.get(subject_id=delivery.pk).outcome == outcome
    assert len(Attempt.objects.get(subject_id=delivery.pk).response or "") <= 1_000
