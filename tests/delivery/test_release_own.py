"""What a process gives back of its own after PostgreSQL went away in the midst of a claim."""

from __future__ import annotations

import pytest
from django.db import connection

from delivery import deliver
from delivery.claim import claim
from delivery.deliver import Delivery, prepare
from delivery.worker import release_own
from notifications.models import Attempt, OutboxMessage
from tests.factories import email, post

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_open_is_kept_and_the_rest_is_due_again_at_no_cost(tenant, provider):
    post(tenant, email(), email(), email())
    kept, *_ = taken = claim(8)
    assert len(taken) == 3
    assert release_own({(kept.id, kept.fence)}) == 2
    assert {c.id for c in claim(8)} == {c.id for c in taken} - {kept.id}
    assert OutboxMessage.objects.get(pk=kept.id).fence == kept.fence
    assert set(OutboxMessage.objects.values_list("claims", flat=True)) == {1}


def test_a_row_that_was_claimed_anew_here_is_not_mistaken_for_its_older_claim(tenant, provider):
    post(tenant)
    [old] = claim(8)
    OutboxMessage.objects.update(leased_by=None, due_at=old_time())
    [new] = claim(8)
    assert release_own({(old.id, old.fence)}) == 1
    assert release_own({(new.id, new.fence)}) == 0


def test_an_attempt_that_had_begun_is_evidence(tenant, provider):
    post(tenant)
    [(work, _)] = prepare(claim(8))
    assert release_own([]) == 1
    assert Attempt.objects.get().outcome == "abandoned"
    assert claim(8) == []
    row = OutboxMessage.objects.get(pk=work.claim.id)
    assert (row.leased_by, row.claims) == (None, 0)


@pytest.mark.parametrize("step", ["compose", "begin"])
def test_a_claim_that_loses_its_connection_waits_for_no_lease(
    tenant, provider, simulator, monkeypatch, step
):
    post(tenant, email(), email())
    whole = getattr(deliver, step)
    cut: list[bool] = []

    def cut_once(*arguments):
        if not cut:
            cut.append(True)
            kill_connection()
        return whole(*arguments)

    monkeypatch.setattr(deliver, step, cut_once)
    slots = Delivery(4)
    assert slots.run(seconds=30) == 0
    assert OutboxMessage.objects.filter(leased_by__isnull=False).count() == 2
    assert slots.run(seconds=30) == 2
    assert len(simulator.messages()) == 2
    assert not OutboxMessage.objects.exists()


def old_time() -> str:
    return "2020-01-01T00:00:00Z"


def kill_connection() -> None:
    """The server ends our connection: by another's word, as when it is restarted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    finally:
        other.close()
