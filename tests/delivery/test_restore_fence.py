"""The restore fence on the real engine: while it is up nothing is taken, by nobody, by no path."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from delivery import fence, poison
from delivery.audit import audit
from delivery.claim import SUSPECT_CLAIMS, claim, leased
from delivery.deliver import prepare
from delivery.driver import Answer, Failed, Fault, Sent
from delivery.management.diagnosis import engine
from delivery.reconcile import abandon, reconcile
from delivery.relay import relay
from delivery.settle import settle
from delivery.verdict import Result
from notifications.cancel import cancel
from notifications.hold import release
from notifications.models import Attempt, Lane, Notification, OutboxMessage, RestoreFence
from notifications.record import show, with_status
from notifications.replay import replay
from notifications.states import State
from tenants.models import CategoryPolicy, Provider, Tenant
from tests.commands.running import done, manage, refused, said
from tests.delivery.test_claim import wait_for_a_blocked_backend
from tests.factories import email, post, shown

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 20


@pytest.fixture
def one(tenant: Tenant, provider: Provider) -> Notification:
    return post(tenant)[0]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def submit(pool: ThreadPoolExecutor, act: Callable[..., Any], *given: Any) -> Future[Any]:
    """Run in a thread, which then gives its connection back."""

    def acted() -> Any:
        try:
            return act(*given)
        finally:
            connections.close_all()

    return pool.submit(acted)


def make_due() -> None:
    OutboxMessage.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def record(notification: Notification) -> dict[str, Any]:
    notification.refresh_from_db()
    return show(notification)


def last_fence() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM notifications_fence_seq")
        return int(cursor.fetchone()[0])


def test_nothing_is_taken_while_it_is_up_and_all_is_sent_once_after_it(
    tenant: Tenant, provider: Provider, simulator: Any, run: Callable[[], int]
) -> None:
    before = post(tenant, *(email(priority=p) for p in ("high", "normal", "bulk")))
    fence.raise_fence()
    during = post(tenant, *[email()] * MANY)
    assert (relay(), claim(8), run()) == (0, [], 0)
    call_command("relay", "--once")
    assert simulator.count() == 0
    assert not Attempt.objects.exists()
    assert not OutboxMessage.objects.filter(leased_by__isnull=False).exists()
    assert {(record(n)["status"], record(n)["reason"]) for n in (*before, *during)} == {
        ("accepted", "restored")
    }
    assert audit().broken == []

    assert fence.release_fence() is True
    assert relay() > 0
    assert run() == len(before) + MANY
    assert Counter(m.key for m in simulator.messages()) == Counter(
        shown(n) for n in (*before, *during)
    )
    assert {record(n)["status"] for n in (*before, *during)} == {"sent"}
    assert audit().broken == []


def test_it_is_up_for_other_processes_too(one: Notification, simulator: Any) -> None:
    """A process that starts now has known nothing of it."""
    up = manage("restore_fence", "--json")
    assert up.returncode == 0, up.stderr
    assert manage("relay", "--once").returncode == 0
    assert simulator.count() == 0
    assert OutboxMessage.objects.get().leased_by is None
    assert manage("restore_fence", "--release").returncode == 0
    assert manage("relay", "--once").returncode == 0
    assert simulator.count() == 1
    assert record(one)["status"] == "sent"


def test_what_was_claimed_before_it_begins_no_call(one: Notification, simulator: Any) -> None:
    claims = claim(1)
    assert fence.raise_fence() == fence.Ended(abandoned=0, leases=1)
    assert prepare(claims) == []
    row = OutboxMessage.objects.get()
    assert (row.leased_by, row.claims) == (None, 0)
    assert row.fence - claims[0].fence >= fence.FENCES_SKIPPED
    assert leased(one.pk, claims[0].fence, time.monotonic()) is None
    assert not Attempt.objects.exists()
    fence.release_fence()
    assert prepare(claims) == [], "nor after it"


def test_a_claim_under_way_is_waited_for_and_ended(
    one: Notification, pool: ThreadPoolExecutor
) -> None:
    with transaction.atomic():
        claims = claim(1)
        assert len(claims) == 1
        raised = submit(pool, fence.raise_fence)
        wait_for_a_blocked_backend()
    assert raised.result(10) == fence.Ended(abandoned=0, leases=1)
    assert prepare(claims) == []
    assert claim(1) == []


def test_a_claim_that_waits_while_it_is_raised_finds_it_up(
    one: Notification, pool: ThreadPoolExecutor
) -> None:
    with transaction.atomic():
        fence.raise_fence()
        claims = submit(pool, claim, 1)
        wait_for_a_blocked_backend()
    assert claims.result(10) == []


@pytest.mark.parametrize("answer", [
    Failed(Fault.TRANSIENT, "later", code="451"), Failed(Fault.BAD_CONTENT, "no", code="554"),
])  # fmt: skip
def test_an_open_call_is_abandoned_and_its_late_refusal_changes_nothing(
    one: Notification, answer: Answer
) -> None:
    [(work, _)] = prepare(claim(1))
    assert fence.raise_fence() == fence.Ended(abandoned=1, leases=1)
    before = OutboxMessage.objects.values().get()
    assert before["leased_by"] is None
    assert (before["due_at"] - timezone.now()).total_seconds() > 60
    settle([Result(work, answer, 1.0)])
    assert OutboxMessage.objects.values().get() == before
    assert Attempt.objects.get().outcome == "abandoned"
    assert (record(one)["status"], record(one)["reason"]) == ("accepted", "restored")
    assert audit().broken == []


def test_a_late_success_is_a_fact(one: Notification, run: Callable[[], int]) -> None:
    [(work, _)] = prepare(claim(1))
    fence.raise_fence()
    settle([Result(work, Sent("id-at-provider", code="250"), 1.0)])
    assert record(one)["status"] == "sent"
    fence.release_fence()
    make_due()
    assert run() == 0
    assert audit().broken == []


def test_tokens_of_the_lost_time_are_never_given_again(one: Notification) -> None:
    lost = last_fence() + 1_000_000
    fence.raise_fence()
    fence.release_fence()
    [taken] = claim(1)
    assert taken.fence > lost


def test_a_suspect_row_is_not_run_alone(one: Notification, simulator: Any) -> None:
    OutboxMessage.objects.update(claims=SUSPECT_CLAIMS - 1)
    _, [suspect] = poison.sort(claim(1))
    fence.raise_fence()
    alone = manage("deliver_alone", str(suspect.id), str(suspect.fence))
    assert alone.returncode == 0, alone.stderr
    assert simulator.count() == 0
    assert not Attempt.objects.exists()
    assert OutboxMessage.objects.get().claims == SUSPECT_CLAIMS - 1, "no fault of its own"


def test_nobody_is_asked_about_a_lost_answer(
    tenant: Tenant, text: Notification, simulator: Any, run: Callable[[], int]
) -> None:
    """Not even a look-up leaves: the message would be claimed for it."""
    simulator.order(target="twilio", kind="cut_after_accept", times=1)
    run()
    assert [a["outcome"] for a in record(text)["attempts"]] == ["unknown"]
    fence.raise_fence()
    make_due()
    assert run() == 0
    assert (simulator.count(), Attempt.objects.count()) == (1, 1)
    fence.release_fence()
    assert run() == 1
    assert simulator.count() == 1, "the provider said that it has it"
    assert record(text)["status"] == "sent"


@pytest.fixture
def text(tenant: Tenant, simulator: Any) -> Notification:
    """One whose category asks the provider first, when an answer was lost."""
    CategoryPolicy.objects.create(tenant=tenant, category="transactional", on_unknown="verify")
    provider = Provider(
        tenant=tenant, name="text", channel="sms", driver="twilio",
        settings={
            "account_sid": "AC" + "1" * 32, "from_number": "+15005550006",
            "api_url": f"{simulator.http_url}/twilio",
        },
    )  # fmt: skip
    provider.seal({"auth_token": "secret"})
    provider.save()
    body = {"channel": "sms", "recipient": "+14155550100", "body": "Your code is 1."}
    return post(tenant, body)[0]


def test_cancel_stops_what_waits_behind_it(one: Notification, run: Callable[[], int]) -> None:
    fence.raise_fence()
    assert cancel(Notification.objects.filter(pk=one.pk)).stopped == [one.pk]
    fence.release_fence()
    assert run() == 0
    assert record(one)["status"] == "canceled"
    assert audit().broken == []


def test_what_is_released_or_replayed_behind_it_waits_too(
    tenant: Tenant, provider: Provider, simulator: Any, run: Callable[[], int]
) -> None:
    simulator.order(target="smtp", kind="cut_after_accept", times=1)
    [held] = post(tenant, email(category="marketing"))
    run()
    simulator.order(target="smtp", kind="status", phase="rcpt", code=550, times=1)
    [failed] = post(tenant)
    run()
    assert (record(held)["status"], record(failed)["status"]) == ("held", "failed")
    fence.raise_fence()
    assert record(held)["reason"] == "unknown"
    assert release([held.pk]) == [held.pk]
    assert replay([failed.pk]) == [failed.pk]
    assert run() == 0
    assert {record(n)["reason"] for n in (held, failed)} == {"restored"}
    fence.release_fence()
    assert run() == 2
    assert {record(n)["status"] for n in (held, failed)} == {"sent"}
    assert audit().broken == []


def test_nothing_expires_behind_it_either(one: Notification, run: Callable[[], int]) -> None:
    fence.raise_fence()
    OutboxMessage.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    make_due()
    Lane.objects.update(paused_at=timezone.now(), reason="no_provider")
    assert (run(), reconcile()["expired"], abandon()) == (0, 0, 0)
    assert OutboxMessage.objects.get().leased_by is None
    fence.release_fence()
    assert reconcile()["expired"] == 1
    assert record(one)["status"] == "expired"


def test_lists_and_records_agree_about_it(tenant: Tenant, provider: Provider) -> None:
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    [now, scheduled] = post(tenant, email(), email(scheduled_at=later))
    fence.raise_fence()
    for notification, state in ((now, State.ACCEPTED), (scheduled, State.SCHEDULED)):
        assert record(notification)["status"] == state
        rows = Notification.objects.filter(pk=notification.pk)
        assert [s for s in State if with_status(rows, s).exists()] == [state]


def test_raising_it_again_changes_nothing_but_the_tokens(one: Notification) -> None:
    fence.raise_fence()
    since, row = RestoreFence.objects.values().get(), OutboxMessage.objects.values().get()
    assert fence.raise_fence() == fence.Ended(abandoned=0, leases=0)
    assert RestoreFence.objects.values().get() == since
    assert OutboxMessage.objects.values().get() == row


class TestCommand:
    def test_it_raises_says_and_releases(self, tenant: Tenant, provider: Provider) -> None:
        post(
            tenant, email(), email(scheduled_at=(timezone.now() + timedelta(hours=1)).isoformat())
        )
        prepare(claim(1))
        assert done("restore_fence", "--status") == {
            "up": False, "raised_at": None, "owed": 2, "due": 0,
        }  # fmt: skip
        up = done("restore_fence")
        raised_at = up.pop("raised_at")
        assert up == {"up": True, "owed": 2, "due": 0, "abandoned": 1, "leases_ended": 1}
        make_due()
        again = {"up": True, "raised_at": raised_at, "owed": 2, "due": 2}
        assert done("restore_fence", "--status") == again
        assert done("restore_fence") == again | {"abandoned": 0, "leases_ended": 0}
        assert done("restore_fence", "--release") == {
            "up": False, "raised_at": None, "owed": 2, "due": 2, "released": True,
        }  # fmt: skip
        assert done("restore_fence", "--release")["released"] is False

    def test_its_sentences_tell_what_may_arrive_twice(self, one: Notification) -> None:
        text = said("restore_fence")
        assert "nothing is sent" in text
        assert "1 owed, 1 of them due" in text
        assert "sent again after" in text
        assert "what is due is sent" in said("restore_fence", "--release")
        assert "It was not up." in said("restore_fence", "--release")

    def test_it_does_one_thing_at_a_time(self, one: Notification) -> None:
        refused("restore_fence", "--release", "--status")
        refused("restore_fence", "--wat")
        assert not fence.is_up()

    def test_doctor_says_so(self, one: Notification) -> None:
        OutboxMessage.objects.update(due_at=timezone.now() - timedelta(hours=1))
        assert [(f.check, f.state) for f in engine.fence()] == [("restore_fence", "ok")]
        assert [f.state for f in engine.oldest_due()] == ["broken"]
        fence.raise_fence()
        [found] = engine.fence()
        assert (found.check, found.state) == ("restore_fence", "warning")
        assert "--release" in found.remedy
        assert [f.state for f in engine.oldest_due()] == ["ok"]
