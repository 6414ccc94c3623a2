"""replay."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from delivery.management.commands import replay as command
from hiram.lib import ids
from notifications.models import DeadLetter, Notification, OutboxMessage
from tenants.models import Tenant
from tests.commands.running import done, said
from tests.factories import TenantFactory, email, post

pytestmark = pytest.mark.django_db(transaction=True)


def dead(tenant: Tenant, count: int, reason: str = "bad_account", **fields: Any) -> None:
    """So many notifications that ended failed."""
    made = [row.pk for row in post(tenant, *[email(**fields)] * count)]
    OutboxMessage.objects.filter(pk__in=made).delete()
    Notification.objects.filter(pk__in=made).update(
        status="failed", reason=reason, settled_at=timezone.now()
    )
    DeadLetter.objects.bulk_create(
        DeadLetter(tenant=tenant, notification_id=pk, reason=reason) for pk in made
    )


def test_those_that_match_in_chunks_at_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "REPLAYED_MOST", 2)
    tenant, other = TenantFactory.create(), TenantFactory.create()
    dead(tenant, 5)
    dead(tenant, 1, "poison")
    dead(tenant, 1, category="marketing")
    dead(other, 1)
    shown = ids.show("tnt", tenant.pk)
    asked = (shown, "--reason", "bad_account", "--category", "transactional")
    facts = {"tenant_id": shown, "matched": 5, "replayed": 0}
    assert done("replay", *asked, "--dry-run") == facts
    assert not OutboxMessage.objects.exists()
    assert done("replay", *asked, "--per-second", "0.1") == facts | {"replayed": 5}
    due = sorted(OutboxMessage.objects.values_list("due_at", flat=True))
    assert [round((at - due[0]).total_seconds()) for at in due] == [0, 10, 20, 30, 40]
    assert set(OutboxMessage.objects.values_list("tenant_id", flat=True)) == {tenant.pk}
    assert done("replay", *asked) == facts | {"matched": 0}
    assert "matched: 2" in said("replay", tenant.name)
    assert OutboxMessage.objects.count() == 7


@pytest.mark.parametrize(
    "words", [("--per-second", "0"), ("--per-second", "nan"), ("--per-second", "1001"), ()]
)
def test_what_cannot_be_replays_nothing(words: tuple[str, ...]) -> None:
    tenant = TenantFactory.create()
    dead(tenant, 1)
    with pytest.raises(CommandError):
        done("replay", *([tenant.name, *words] if words else ["nobody"]))
    assert not OutboxMessage.objects.exists()
