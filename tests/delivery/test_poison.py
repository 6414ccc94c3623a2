"""Suspects: few run alone at the same time, the others wait and stay suspects."""

from __future__ import annotations

import threading

import pytest
from django.db.models.functions import Now

from delivery import poison
from delivery.audit import audit
from delivery.claim import SUSPECT_CLAIMS, Claim, claim
from delivery.deliver import Delivery
from notifications.models import Lane, OutboxMessage
from tests.factories import email, post

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_has_no_place_waits_and_stays_a_suspect(tenant, provider):
    post(tenant, *[email() for _ in range(5)])
    Lane.objects.update(max_in_flight=1_000)
    OutboxMessage.objects.update(claims=SUSPECT_CLAIMS)
    sound, suspects = poison.sort(claim(8), 2)
    assert (len(sound), len(suspects)) == (0, 2)
    rest = OutboxMessage.objects.exclude(pk__in=[c.id for c in suspects])
    assert [*rest.values_list("leased_by", "claims")] == [(None, SUSPECT_CLAIMS)] * 3
    assert not rest.filter(due_at__lte=Now()).exists()
    assert claim(8) == []
    rest.update(due_at=Now())
    assert poison.sort(claim(8), 0) == ([], [])
    assert [*rest.values_list("leased_by", "claims")] == [(None, SUSPECT_CLAIMS)] * 3
    assert audit().broken == []


def test_no_more_run_alone_at_once_than_there_are_places(tenant, provider, monkeypatch):
    post(tenant, *[email() for _ in range(2 * poison.ALONE_AT_ONCE)])
    OutboxMessage.objects.update(claims=SUSPECT_CLAIMS)
    together = threading.Barrier(poison.ALONE_AT_ONCE, timeout=10)
    running: set[Claim] = set()
    most: list[int] = []

    def run_alone(claim: Claim) -> None:
        running.add(claim)
        most.append(len(running))
        together.wait()
        running.discard(claim)
        together.wait()

    monkeypatch.setattr(poison, "run_alone", run_alone)
    delivery = Delivery(4 * poison.ALONE_AT_ONCE)
    for _ in range(2):
        assert delivery.run(seconds=10) == poison.ALONE_AT_ONCE
        OutboxMessage.objects.filter(leased_by=None).update(due_at=Now())
    assert max(most) == poison.ALONE_AT_ONCE
    assert len(most) == 2 * poison.ALONE_AT_ONCE
    assert delivery.run(seconds=10) == 0
