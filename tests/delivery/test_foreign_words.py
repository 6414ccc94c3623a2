"""Whatever a provider answers is stored, cut to what fits, and stops nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from delivery.claim import claim
from delivery.deliver import call, prepare, settle_for_sure
from notifications.models import Attempt, OutboxMessage
from tenants.models import Provider, Tenant
from tests.drivers.http_peer import HttpPeer
from tests.factories import ProviderFactory, email, post

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def vendor() -> Iterator[HttpPeer]:
    with HttpPeer() as peer:
        yield peer


def resend(tenant: Tenant, vendor: HttpPeer) -> Provider:
    """A provider whose server is whoever the tenant says."""
    made = ProviderFactory.build(
        tenant=tenant,
        driver="resend",
        settings={"from_email": "hello@sender.example", "api_url": f"{vendor.url}/"},
    )
    made.seal({"api_key": "re_secret"})
    made.save()
    return made


def answer(body: Any, status: str = "200 OK") -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    return head.encode() + b"\r\n\r\n" + content


@pytest.mark.parametrize(
    "name",
    ["x" * 600, "before\x00after", "\ud800", "a\x1b[31mred\r\nLog: forged", "\N{SNOWMAN}" * 999],
    ids=["long", "NUL", "half a letter", "control characters", "many octets"],
)
def test_a_strange_id_is_stored_and_others_in_its_group_are_settled(
    tenant, provider, vendor, simulator, run, name
):
    strange = Tenant.objects.create(name="Strange")
    resend(strange, vendor)
    vendor.usual = answer({"id": name})
    [odd] = post(strange)
    [plain] = post(tenant)
    assert run() == 2
    for notification in (odd, plain):
        notification.refresh_from_db()
        assert notification.status == "sent"
    assert 0 < len(odd.provider_message_id or "") <= 512
    assert (odd.provider_message_id or "").isprintable()
    assert not OutboxMessage.objects.exists()
    # And the slots are free again.
    post(tenant, *[email() for _ in range(9)])
    assert run() == 9


def test_an_answer_that_is_none_costs_only_its_own_row(tenant, provider, simulator, caplog):
    first, second = post(tenant, email(), email())
    answers = [call(work, number) for work, number in prepare(claim(8))]
    [broken] = [a for a in answers if a.work.claim.id == first.pk]
    [sound] = [a for a in answers if a.work.claim.id == second.pk]
    settle_for_sure([replace(broken, answer=None), sound])  # type: ignore[arg-type]
    second.refresh_from_db()
    assert second.status == "sent"
    assert OutboxMessage.objects.get().pk == first.pk
    assert Attempt.objects.get(subject_id=first.pk).outcome == "started"
    assert [record.message for record in caplog.records] == [f"cannot settle: {first.pk}"]
