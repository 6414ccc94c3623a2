"""A webhook that fails is told to those who can mend it: each part of its time once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from delivery import receivers
from delivery.receivers import disable, give_up
from notifications import webhooks
from notifications.accept import Owner
from notifications.models import Content, Notification, WebhookEndpoint
from portal.mails import ensure_system_tenant
from portal.tasks import warn as task
from portal.warn import warn
from tenants.models import Member, Role, Tenant, User
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db(transaction=True)

SECRET_PATH = "https://hooks.example.com/hiram/T0KEN?key=T0KEN"


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    found: Tenant = TenantFactory.create()
    for role in Role.values:
        user = User.objects.create_user(f"{role}@ours.example")
        Member.objects.create(tenant=found, user=user, role=role)
    return found


def endpoint(tenant: Tenant, **given: Any) -> WebhookEndpoint:
    shown = {"url": SECRET_PATH, "description": "the <b>shop</b>"}
    return webhooks.add(Owner(tenant.pk, "live"), shown | given, {})[0]


def failing(hook: WebhookEndpoint, days: float) -> None:
    since = timezone.now() - timedelta(days=days)
    WebhookEndpoint.objects.filter(pk=hook.pk).update(first_failed_at=since)


def mailed() -> list[tuple[str, str]]:
    return sorted(Notification.objects.values_list("recipient", "subject"))


def forget() -> None:
    """What is to come may not lean on the idempotency keys: they live for a day."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notifications_idempotencyrecord")


BOTH = ("admin@ours.example", "owner@ours.example")


def test_each_part_of_the_five_days_is_told_once(tenant: Tenant) -> None:
    hook = endpoint(tenant)
    stranger = TenantFactory.create()
    user = User.objects.create_user("owner@theirs.example")
    Member.objects.create(tenant=stranger, user=user, role=Role.OWNER)
    since = timezone.now()
    sent = []
    for days in (0.1, 2.49, 2.51, 3.0, 3.49, 3.51, 4.4, 4.51, 4.99):
        since = timezone.now() - timedelta(days=days)
        WebhookEndpoint.objects.filter(pk=hook.pk).update(first_failed_at=since)
        sent.append(warn())
        assert warn() == 0
        forget()
        assert warn() == 0
    assert sent == [0, 0, 2, 0, 0, 2, 0, 2, 0]
    assert mailed() == sorted((who, "The webhook at hooks.example.com fails") for who in BOTH * 3)


def test_the_mail_says_what_to_do_and_no_secret_of_the_address(tenant: Tenant) -> None:
    failing(endpoint(tenant), 2.6)
    task()
    payload = Content.objects.earliest("created_at").payload
    assert "at hooks.example.com (the <b>shop</b>)" in payload["text"]
    assert "(the &lt;b&gt;shop&lt;/b&gt;)" in payload["html"]
    assert f"{tenant.name}" in payload["text"]
    assert "/portal/" in payload["text"]
    assert "T0KEN" not in str(payload)


def test_parts_that_passed_unseen_are_one_mail(tenant: Tenant) -> None:
    failing(endpoint(tenant), 4.6)
    assert (warn(), warn()) == (2, 0)


def test_one_that_works_again_begins_anew(tenant: Tenant) -> None:
    hook = endpoint(tenant)
    failing(hook, 3)
    assert warn() == 2
    with connection.cursor() as cursor:
        cursor.execute(receivers._WORKS, [[hook.pk]])
    hook.refresh_from_db()
    assert (hook.first_failed_at, hook.warned) == (None, 0)
    failing(hook, 3)
    assert warn() == 2


def test_that_it_is_disabled_is_told_once(tenant: Tenant) -> None:
    hook = endpoint(tenant)
    failing(hook, 5.01)
    assert give_up() == 1
    assert warn() == 2
    forget()
    assert warn() == 0
    assert mailed() == [(who, "The webhook at hooks.example.com is disabled") for who in BOTH]
    assert "nothing for five days" in Content.objects.earliest("created_at").payload["text"]
    webhooks.change(hook, {}, None, enabled=True)
    assert warn() == 0
    disable(hook.pk, "gone")
    assert warn() == 2
    assert "answered 410" in Content.objects.latest("created_at").payload["text"]


def test_a_late_success_does_not_undo_that_it_was_told(tenant: Tenant) -> None:
    hook = endpoint(tenant)
    failing(hook, 5.01)
    give_up()
    assert warn() == 2
    with connection.cursor() as cursor:
        cursor.execute(receivers._WORKS, [[hook.pk]])
    forget()
    assert warn() == 0


def test_what_was_disabled_by_hand_is_no_news(tenant: Tenant) -> None:
    hook = endpoint(tenant)
    failing(hook, 4.6)
    webhooks.change(hook, {}, None, enabled=False)
    assert warn() == 0


def test_of_the_platforms_own_the_operators_learn(tenant: Tenant) -> None:
    User.objects.create_user("op@hiram.example", is_operator=True)
    failing(endpoint(ensure_system_tenant()), 2.6)
    assert warn() == 1
    assert [who for who, _ in mailed()] == ["op@hiram.example"]


def test_who_died_between_mail_and_memory_tells_nobody_twice(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(endpoint(tenant), 2.6)
    with monkeypatch.context() as patch:
        patch.setattr("portal.warn.told", _die)
        with pytest.raises(RuntimeError):
            warn()
    assert warn() == 0
    assert len(mailed()) == 2
    assert warn() == 0


def _die(one: object) -> None:
    raise RuntimeError


def test_sweeps_that_race_tell_once(tenant: Tenant) -> None:
    hook = endpoint(tenant)
    failing(hook, 2.6)
    ensure_system_tenant()
    ready, counted, failed = threading.Barrier(4), [], []

    def sweep() -> None:
        try:
            ready.wait(10)
            counted.append(warn())
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert sum(counted) == 2
    assert mailed() == [(who, "The webhook at hooks.example.com fails") for who in BOTH]
    hook.refresh_from_db()
    assert hook.warned == 50


def test_one_that_recovers_while_it_is_told_stays_recovered(tenant: Tenant) -> None:
    hook = endpoint(tenant)
    failing(hook, 2.6)
    [news] = receivers.news()
    with connection.cursor() as cursor:
        cursor.execute(receivers._WORKS, [[hook.pk]])
    receivers.told(news)
    hook.refresh_from_db()
    assert (hook.first_failed_at, hook.warned) == (None, 0)
