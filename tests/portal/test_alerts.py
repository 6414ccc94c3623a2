"""A paused provider is told to those who can mend it: once, and to nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.models import ProviderHealth
from notifications.models import Content, Notification
from portal.alerts import WITHIN, alert
from portal.mails import ensure_system_tenant
from portal.tasks import alert as task
from tenants.models import Member, Provider, Role, Tenant, User
from tests.factories import ProviderFactory, TenantFactory

pytestmark = pytest.mark.django_db(transaction=True)


def paused(tenant: Tenant, **health: object) -> ProviderHealth:
    provider: Provider = ProviderFactory.create(tenant=tenant, name="main line")
    known = {"paused_at": timezone.now(), "reason": "bad_account", "detail": "535 no <b>way</b>"}
    return ProviderHealth.objects.create(tenant=tenant, provider=provider, **(known | health))


def people(tenant: Tenant) -> None:
    for role in Role.values:
        user = User.objects.create_user(f"{role}@{tenant.pk}.example")
        Member.objects.create(tenant=tenant, user=user, role=role)


def mailed() -> list[str]:
    return sorted(Notification.objects.values_list("recipient", flat=True))


def test_owners_and_admins_of_the_tenant_learn_it_once() -> None:
    tenant, stranger = TenantFactory.create(), TenantFactory.create()
    people(tenant)
    people(stranger)
    User.objects.create_user("op@hiram.example", is_operator=True)
    health = paused(tenant)
    assert alert() == 2
    assert alert() == 0
    task()
    assert mailed() == [f"admin@{tenant.pk}.example", f"owner@{tenant.pk}.example"]
    payload = Content.objects.earliest("created_at").payload
    assert "main line" in payload["text"]
    assert "535 no <b>way</b>" in payload["text"]
    assert "535 no &lt;b&gt;way" in payload["html"]
    assert f"/portal/tenants/provider/{health.provider_id}/change/" in payload["text"]


def test_each_pause_is_news() -> None:
    tenant = TenantFactory.create()
    people(tenant)
    health = paused(tenant)
    assert alert() == 2
    ProviderHealth.objects.filter(pk=health.pk).update(paused_at=None, reason=None)
    assert alert() == 0
    ProviderHealth.objects.filter(pk=health.pk).update(
        paused_at=timezone.now(), reason="bad_account"
    )
    assert alert() == 2


def test_of_the_platforms_own_provider_the_operators_learn() -> None:
    User.objects.create_user("op@hiram.example", is_operator=True)
    paused(ensure_system_tenant())
    assert alert() == 1
    assert mailed() == ["op@hiram.example"]


def test_an_old_pause_and_a_closed_account_are_left_alone() -> None:
    tenant = TenantFactory.create()
    people(tenant)
    User.objects.filter(email__startswith="owner").update(is_active=False)
    paused(tenant)
    paused(TenantFactory.create(), paused_at=timezone.now() - WITHIN - timedelta(seconds=1))
    assert alert() == 1
    assert mailed() == [f"admin@{tenant.pk}.example"]
