"""Claims: fair, leased, fenced; what crashes, comes late or dies changes nothing that it must not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from delivery import poison, worker
from delivery.audit import audit
from delivery.claim import SUSPECT_CLAIMS, begin, claim
from delivery.compose import compose
from delivery.deliver import call, prepare
from delivery.driver import Answer, Failed, Fault, Sent, Unknown
from delivery.reconcile import abandon, reconcile
from delivery.relay import relay
from delivery.settle import end, expired, settle
from delivery.verdict import Result
from delivery.work import Work
from notifications.models import Attempt, DeadLetter, Event, Lane, Notification, OutboxMessage
from tenants.models import Provider, Tenant
from tests.factories import TenantFactory, email, post

pytestmark = pytest.mark.django_db(transaction=True)

SENT = Sent("id-at-provider", code="250")
REFUSED = Failed(Fault.TRANSIENT, "try later", code="451")
REJECTED = Failed(Fault.BAD_CONTENT, "no", code="554")


def started(notification: Notification) -> Work:
    """Its row, claimed and begun."""
    [(work, _)] = prepare(claim(1))
    return work


def lose_lease() -> None:
    OutboxMessage.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def outcomes() -> list[str]:
    return list(Attempt.objects.order_by("fence").values_list("outcome", flat=True))


@pytest.fixture
def one(tenant: Tenant, provider: Provider) -> Notification:
    return post(tenant)[0]


def stored(notification: Notification) -> str:
    notification.refresh_from_db()
    return notification.status


def test_a_claimed_row_is_nobody_elses_until_its_lease_ends(one):
    [first] = claim(8)
    assert claim(8) == []
    lose_lease()
    [second] = claim(8)
    assert second.fence > first.fence
    assert (first.claims, second.claims) == (1, 2)


def test_the_evidence_is_committed_before_anything_can_happen(one):
    work = started(one)
    attempt = Attempt.objects.get()
    assert (attempt.pk, attempt.outcome, attempt.number) == (work.attempt_id, "started", 1)
    assert attempt.fence == work.claim.fence


def test_a_late_refusal_changes_nothing(one):
    late = started(one)
    lose_lease()
    now = started(one)
    assert outcomes() == ["abandoned", "started"]
    settle([Result(late, REFUSED, 1.0)])
    settle([Result(late, REJECTED, 1.0)])
    row = OutboxMessage.objects.get()
    assert (row.fence, row.tries) == (now.claim.fence, 0)
    assert row.leased_by is not None
    assert stored(one) == "accepted"
    assert outcomes() == ["abandoned", "started"]
    assert not DeadLetter.objects.exists()


def test_a_late_success_is_a_fact_and_ends_the_debt(one):
    late = started(one)
    lose_lease()
    now = started(one)
    settle([Result(late, SENT, 1.0)])
    assert stored(one) == "sent"
    assert not OutboxMessage.objects.exists()
    settle([Result(now, REFUSED, 1.0)])
    assert outcomes() == ["sent", "refused"]
    assert stored(one) == "sent"
    assert audit().broken == []


def test_two_successes_are_one_state_change(one):
    late = started(one)
    lose_lease()
    now = started(one)
    settle([Result(now, SENT, 1.0)])
    first = Notification.objects.get()
    settle([Result(late, SENT, 1.0)])
    assert outcomes() == ["sent", "sent"]
    assert Notification.objects.get().sent_at == first.sent_at
    assert Event.objects.filter(type="notification.sent").count() == 1


@pytest.mark.parametrize("final", ["failed", "expired", "canceled"])
def test_a_late_success_wins_over_every_ending(one, final):
    late = started(one)
    Notification.objects.update(status=final, settled_at=timezone.now())
    OutboxMessage.objects.all().delete()
    DeadLetter.objects.create(tenant_id=one.tenant_id, notification_id=one.pk, reason="x")
    settle([Result(late, SENT, 1.0)])
    assert stored(one) == "sent"
    assert DeadLetter.objects.get().closed_at is not None


def test_a_delivered_notification_never_moves_back_to_sent(one):
    late = started(one)
    Notification.objects.update(status="delivered", settled_at=timezone.now())
    OutboxMessage.objects.all().delete()
    settle([Result(late, SENT, 1.0)])
    assert stored(one) == "delivered"


def test_a_lease_that_cannot_outlast_a_call_begins_none(one, settings):
    claims = claim(1)
    settings.CALL_SECONDS = settings.LEASE_SECONDS + 1
    assert prepare(claims) == []
    assert not Attempt.objects.exists()


def test_a_worker_that_was_stopped_after_begin_calls_nobody(one, simulator, settings):
    work = started(one)
    long_ago = work.claim.taken_at - settings.LEASE_SECONDS + settings.CALL_SECONDS - 1
    late = replace(work, claim=replace(work.claim, taken_at=long_ago))
    answer = call(late, 1).answer
    assert isinstance(answer, Failed)
    assert answer.fault is Fault.TRANSIENT
    assert simulator.count() == 0
    assert isinstance(call(work, 1).answer, Sent)


def test_a_row_canceled_between_claim_and_begin_is_not_called(one):
    claims = claim(1)
    OutboxMessage.objects.all().delete()
    assert prepare(claims) == []
    assert not Attempt.objects.exists()


def test_begin_waits_for_who_holds_the_row_and_then_sees_that_it_is_gone(one):
    """As cancel does: lock the row, look for attempts, delete it."""
    [work] = compose(claim(1))
    assert isinstance(work, Work)
    attempt = work.attempt()
    locked, done = threading.Event(), []

    def begin_late():
        locked.wait(5)
        try:
            done.append(begin([attempt]))
        finally:
            connections.close_all()

    thread = threading.Thread(target=begin_late)
    thread.start()
    with transaction.atomic():
        OutboxMessage.objects.select_for_update().get()
        locked.set()
        wait_for_a_blocked_backend()
        OutboxMessage.objects.all().delete()
    thread.join(10)
    assert done == [{}]
    assert not Attempt.objects.exists()


def wait_for_a_blocked_backend() -> None:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            # Within a transaction the view would go on showing what it showed first.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waited for the lock")


def test_a_crash_between_claim_and_begin_costs_one_lease_and_no_evidence(one):
    claim(1)
    lose_lease()
    settle([Result(started(one), SENT, 0.1)])
    assert outcomes() == ["sent"]


def test_abandon_marks_only_calls_whose_lease_is_over(one, settings):
    started(one)
    assert abandon() == 0
    Attempt.objects.update(started_at=timezone.now() - timedelta(hours=1))
    assert abandon() == 0, "the lease still holds"
    lose_lease()
    assert abandon() == 1
    assert outcomes() == ["abandoned"]


def test_an_expiry_is_fenced_like_every_opinion(one):
    OutboxMessage.objects.update(expires_at=timezone.now())
    [late] = claim(1)
    lose_lease()
    claim(1)
    end(expired([late]))
    assert stored(one) == "accepted"


def test_reconcile_repairs_a_debt_without_its_row(one):
    OutboxMessage.objects.all().delete()
    assert audit().counts["owed_without_outbox_row"] == 1
    Notification.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert reconcile()["repaired"] == 1
    assert audit().broken == []
    settle([Result(started(one), SENT, 0.1)])
    assert stored(one) == "sent"


def test_what_waits_in_a_parked_lane_expires_there(tenant):
    [notification] = post(tenant)
    assert prepare(claim(1)) == []
    assert Lane.objects.get().reason == "no_provider"
    OutboxMessage.objects.update(expires_at=timezone.now())
    assert reconcile()["expired"] == 1
    assert stored(notification) == "expired"
    assert audit().broken == []


def test_settling_many_kinds_at_once_sets_each_as_it_should_be(tenant, provider):
    notifications = post(tenant, *[email() for _ in range(4)])
    works = [work for work, _ in prepare(claim(4))]
    answers: list[Answer] = [SENT, REFUSED, REJECTED, Unknown("cut")]
    settle([Result(w, a, 0.1) for w, a in zip(works, answers, strict=True)])
    by_id = {n.pk: stored(n) for n in notifications}
    assert [by_id[w.claim.id] for w in works] == ["sent", "accepted", "failed", "accepted"]
    assert Counter(outcomes()) == Counter(["sent", "refused", "rejected", "unknown"])
    assert audit().broken == []


def test_many_claimers_at_once_take_each_row_once(tenant, provider):
    post(tenant, *[email() for _ in range(200)])
    Lane.objects.update(max_in_flight=1_000)

    def take(_):
        try:
            return [c.id for _ in range(10) for c in claim(5)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        taken = [row for rows in pool.map(take, range(8)) for row in rows]
    assert len(taken) == len(set(taken)) == 200


# --- fairness


def shares(free: int, *, reserved: int = 0) -> Counter[UUID]:
    return Counter(c.tenant_id for c in claim(free, reserved=reserved))


def test_tenants_share_a_claim_however_much_one_has(transactional_db):
    flood, *others = [TenantFactory.create() for _ in range(4)]
    post(flood, *[email() for _ in range(300)])
    for other in others:
        post(other, *[email() for _ in range(3)])
    taken = shares(12)
    assert taken == {flood.pk: 3, **{o.pk: 3 for o in others}}


def test_a_tenant_with_many_lanes_gets_one_tenants_share(transactional_db):
    wide, narrow = TenantFactory.create(), TenantFactory.create()
    kinds = [email(priority=p) for p in ("high", "normal", "bulk")]
    post(wide, *kinds * 10, *[{"channel": "sms", "recipient": "+14155550100", "body": "x"}] * 10)
    post(narrow, *[email()] * 10)
    assert shares(8) == {wide.pk: 4, narrow.pk: 4}


def test_within_a_tenant_high_goes_first(tenant):
    post(tenant, *[email(priority="bulk")] * 5, *[email(priority="high")] * 5, *[email()] * 5)
    Lane.objects.update(max_in_flight=1_000)
    assert [c.rank for c in sorted(claim(7), key=lambda c: c.rank)] == [0] * 5 + [1] * 2


def test_slots_are_kept_for_high(tenant):
    post(tenant, *[email(priority="bulk")] * 20)
    Lane.objects.update(max_in_flight=1_000)
    assert len(claim(8, reserved=3)) == 5
    assert claim(3, reserved=3) == []
    post(tenant, email(priority="high"))
    assert [c.rank for c in claim(3, reserved=3)] == [0]


def test_one_free_slot_serves_every_tenant_in_time(transactional_db):
    tenants = [TenantFactory.create() for _ in range(4)]
    for index, tenant in enumerate(tenants):
        post(tenant, *[email(priority="high" if index == 0 else "normal")] * 40)
    Lane.objects.update(max_in_flight=1_000)
    served = Counter(c.tenant_id for _ in range(100) for c in claim(1))
    assert sum(served.values()) == 100
    assert min(served[t.pk] for t in tenants) >= 8


def test_a_lane_leaves_as_many_slots_as_it_takes(transactional_db):
    first, second, third = (TenantFactory.create() for _ in range(3))
    slots, taken = 60, 0

    def refilled() -> Counter[UUID]:
        nonlocal taken
        while found := shares(slots - taken):
            taken += sum(found.values())
        return Counter(
            OutboxMessage.objects.filter(leased_by=worker.name()).values_list("tenant", flat=True)
        )

    post(first, *[email()] * 100)
    assert refilled() == {first.pk: 30}
    post(second, *[email()] * 100)
    assert refilled() == {first.pk: 30, second.pk: 15}
    post(third, *[email()] * 100)
    assert refilled() == {first.pk: 30, second.pk: 15, third.pk: 8}


def test_the_slots_that_are_kept_for_high_are_not_free_for_others(tenant):
    post(tenant, *[email()] * 100)
    assert len(claim(60, reserved=20)) == 20
    assert claim(40, reserved=20) == []
    post(tenant, *[email(priority="high")] * 100)
    assert len(claim(40, reserved=20)) == 20


def test_a_lane_that_has_more_than_its_part_by_now_gets_no_more(transactional_db):
    greedy, late = TenantFactory.create(), TenantFactory.create()
    post(greedy, *[email()] * 100)
    assert len(claim(20)) == 10
    post(late, *[email()] * 100)
    assert shares(10) == {late.pk: 5}
    settled = OutboxMessage.objects.filter(tenant=greedy, leased_by__isnull=False)[:2]
    OutboxMessage.objects.filter(pk__in=[row.pk for row in settled]).delete()
    assert shares(7) == {late.pk: 1}


def test_four_calls_of_a_lane_may_be_open_however_few_slots_are_free(tenant):
    post(tenant, *[email()] * 20)
    assert len(claim(4)) == 4
    assert claim(4) == []


def test_the_slots_of_another_process_are_its_own(tenant, monkeypatch):
    post(tenant, *[email()] * 100)
    assert len(claim(20)) == 10
    monkeypatch.setattr(worker, "name", lambda: "another")
    assert len(claim(20)) == 10


def test_no_lane_has_more_in_flight_than_it_may(tenant, settings):
    settings.WORKER_PROCESSES = 1
    post(tenant, *[email()] * 20)
    Lane.objects.update(max_in_flight=3)
    assert len(claim(10)) == 3
    assert claim(10) == []
    lose_lease()
    assert len(claim(10)) == 3


def test_a_process_leaves_of_a_lane_what_is_the_others_share(tenant, settings, monkeypatch):
    settings.WORKER_PROCESSES = 2
    post(tenant, *[email()] * 20)
    Lane.objects.update(max_in_flight=5)
    assert len(claim(10)) == 3
    assert claim(10) == []
    monkeypatch.setattr(worker, "name", lambda: "another")
    assert len(claim(10)) == 2
    assert claim(10) == []


def test_a_parked_lane_is_passed_over_and_its_neighbour_is_not(tenant):
    post(tenant, email(), {"channel": "sms", "recipient": "+14155550100", "body": "x"})
    Lane.objects.filter(topic="email").update(paused_at=timezone.now(), reason="no_provider")
    [taken] = claim(10)
    assert Lane.objects.get(pk=taken.lane_id).topic == "sms"


def test_rows_due_later_are_not_taken_and_hide_none(transactional_db):
    early, late = TenantFactory.create(), TenantFactory.create()
    post(late, *[email()] * 50)
    OutboxMessage.objects.update(due_at=timezone.now() + timedelta(hours=1))
    post(early, email())
    assert shares(10) == {early.pk: 1}


def test_the_relay_asks_for_as_many_looks_as_there_is_work(tenant, provider, settings):
    settings.SLOTS, settings.WORKER_PROCESSES = 10, 3
    assert relay() == 0
    post(tenant)
    assert relay() == 1
    post(tenant, *[email()] * 15)
    assert relay() == 2
    post(tenant, *[email()] * 500)
    assert relay() == 3


# --- the dead and the poisonous


@pytest.fixture
def dead_worker() -> str:
    """The name of a process of this machine that has ended."""
    command = "import django; django.setup(); from delivery import worker; print(worker.name())"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "hiram.settings"}
    done = subprocess.run(
        [sys.executable, "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_leases_of_the_dead_are_given_back(one, dead_worker):
    claim(1)
    OutboxMessage.objects.update(leased_by=dead_worker)
    assert worker.release_dead() == 1
    assert len(claim(1)) == 1, "nothing was begun, so nothing need be waited for"


def test_a_call_begun_by_the_dead_waits_as_after_a_lost_answer(one, dead_worker):
    started(one)
    OutboxMessage.objects.update(leased_by=dead_worker)
    assert worker.release_dead() == 1
    assert outcomes() == ["abandoned"]
    row = OutboxMessage.objects.get()
    assert row.leased_by is None
    assert (row.due_at - timezone.now()).total_seconds() > 60


@pytest.mark.parametrize(
    "name", ["elsewhere:1:1:other-kernel", "old-style", "host:1", "a:b:c:d", "host::1:"]
)
def test_the_leases_of_those_who_cannot_be_seen_are_left_alone(one, name):
    claim(1)
    OutboxMessage.objects.update(leased_by=name)
    assert worker.release_dead() == 0


def test_the_leases_of_the_living_are_left_alone(one):
    claim(1)
    assert worker.release_dead() == 0


def test_a_row_that_keeps_crashing_runs_alone_and_is_given_up_at_last(tenant, provider, simulator):
    bad, good = post(tenant, email(subject="bad"), email())
    OutboxMessage.objects.filter(pk=bad.pk).update(claims=SUSPECT_CLAIMS - 1)
    sound, suspects = poison.sort(claim(8))
    assert [c.id for c in sound] == [good.pk]
    assert [c.id for c in suspects] == [bad.pk]
    for _ in range(2):
        for _ in range(poison.CONDEMNED_CLAIMS):
            lose_lease()
            [suspect] = [c for c in claim(8) if c.id == bad.pk]
            assert suspect.claims < poison.CONDEMNED_CLAIMS, "no death of its own was seen"
        poison.blame([poison.Death(suspect)])
    poison.blame([poison.Death(replace(suspect, fence=suspect.fence - 1))])
    assert OutboxMessage.objects.get(pk=bad.pk).claims == poison.CONDEMNED_CLAIMS
    lose_lease()
    poison.sort(claim(8))
    assert stored(bad) == "failed"
    assert bad.reason == "poison"
    assert stored(good) == "accepted"
    assert audit().broken == []


def test_only_a_death_of_the_rows_own_process_counts_against_it(tenant, provider, settings):
    post(tenant)
    [taken] = claim(1)
    assert poison.run_alone(replace(taken, fence=taken.fence + 1)) is None, (
        "not its claim any more"
    )
    settings.BASE_DIR = settings.BASE_DIR / "nowhere"
    assert poison.run_alone(taken) is None, "it could not even begin"
    settings.LEASE_SECONDS = 0
    assert poison.run_alone(taken) == poison.Death(taken)
