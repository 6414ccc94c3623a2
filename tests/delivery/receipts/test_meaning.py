"""What receipts mean: states move along the table and never back, whatever their order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delivery.apply import BUSY_SECONDS, apply
from delivery.claim import claim
from delivery.deliver import prepare
from delivery.driver import Failed, Fault, Kind, Report, Sent, Unknown
from delivery.models import Receipt
from delivery.receive import UNMATCHED_SECONDS, forget, keep
from delivery.settle import settle
from delivery.verdict import Result
from hiram.lib import ids
from notifications.hold import release
from notifications.models import (
    Attempt,
    DeadLetter,
    Event,
    Notification,
    OutboxMessage,
    Suppression,
)
from notifications.replay import replay
from notifications.states import State, may_move
from tenants.models import CategoryPolicy, Provider, Tenant
from tests.delivery.receipts.conftest import applied, status, types
from tests.delivery.receipts.vendors import SMS, from_resend, from_twilio, resend, vendors_id
from tests.factories import TenantFactory, email, post, shown
from tests.tenancy import together

pytestmark = pytest.mark.django_db(transaction=True)

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ADA = "ada@recipient.example"


@pytest.fixture
def sent(tenant: Tenant, mail: Provider, run: Any) -> Notification:
    [notification] = post(tenant)
    run()
    assert status(notification) == "sent"
    return notification


def report(kind: str, about: Notification, **more: Any) -> Report:
    about.refresh_from_db()
    known = {"provider_message_id": about.provider_message_id or "", "event_id": ids.new().hex}
    return Report(Kind(kind), **{**known, "recipient": about.recipient, **more})


class TestStates:
    def test_delivered(self, sent, mail):
        keep(mail, [report("delivered", sent, at=WHEN)])
        assert status(sent) == "sent", "a callback only keeps"
        applied()
        assert (status(sent), sent.delivered_at) == ("delivered", WHEN)
        assert types(sent) == ["accepted", "attempted", "sent", "delivered"]
        assert Event.objects.get(type="notification.delivered").data == {
            "attempt_id": str(Attempt.objects.get().pk), "provider": "resend", "driver": "resend",
            "at": "2026-01-02T03:04:05+00:00",
        }  # fmt: skip
        row = Receipt.objects.get()
        assert (row.notification_id, row.attempt_id) == (sent.pk, Attempt.objects.get().pk)
        assert row.applied_at is not None

    def test_bounced_hard(self, sent, mail):
        keep(mail, [report("bounced", sent, hard=True, code="550", description="no such user")])
        applied()
        assert (status(sent), sent.reason) == ("bounced", "hard_bounce")
        said = Event.objects.get(type="notification.bounced").data
        assert (said["reason"], said["code"], said["description"]) == (
            "hard_bounce", "550", "no such user",
        )  # fmt: skip
        assert Suppression.objects.get().reason == "hard_bounce"
        [again] = post(Tenant.objects.get(), email())
        assert (again.status, again.reason) == ("suppressed", "suppression:hard_bounce")

    def test_bounced_softly_it_may_be_written_to_again(self, sent, mail):
        keep(mail, [report("bounced", sent)])
        applied()
        assert (status(sent), sent.reason) == ("bounced", "soft_bounce")
        assert not Suppression.objects.exists()

    def test_complained(self, sent, mail):
        keep(mail, [report("delivered", sent), report("complained", sent)])
        applied()
        assert (status(sent), sent.reason) == ("complained", "complaint")
        assert sent.delivered_at is not None
        assert types(sent)[-2:] == ["delivered", "complained"]
        assert Suppression.objects.get().reason == "complaint"

    def test_after_complained_delivered_changes_nothing(self, sent, mail):
        keep(mail, [report("complained", sent)])
        applied()
        before = types(sent)
        keep(mail, [report("delivered", sent), report("bounced", sent)])
        applied()
        assert (status(sent), types(sent)) == ("complained", before)
        assert Receipt.objects.filter(applied_at=None).count() == 0

    @pytest.mark.parametrize("kind", ["deferred", "rejected", "opened", "clicked"])
    def test_other_news_are_events_alone(self, sent, mail, kind):
        keep(mail, [report(kind, sent)])
        applied()
        assert status(sent) == "sent"
        assert types(sent) == ["accepted", "attempted", "sent", kind]

    def test_accepted_is_known_already(self, sent, mail):
        keep(mail, [report("accepted", sent)])
        applied()
        assert types(sent) == ["accepted", "attempted", "sent"]

    def test_a_time_to_come_is_none(self, sent, mail):
        keep(mail, [report("delivered", sent, at=timezone.now() + timedelta(days=9))])
        applied()
        sent.refresh_from_db()
        assert sent.delivered_at < timezone.now()

    def test_what_came_to_a_copy_is_not_the_recipients(self, tenant, mail, run):
        [notification] = post(tenant, email(cc=["eve@recipient.example"]))
        run()
        eve = {"recipient": "EVE@recipient.example"}
        keep(mail, [report("bounced", notification, hard=True, **eve),
                    report("delivered", notification, **eve)])  # fmt: skip
        applied()
        assert status(notification) == "sent"
        found = post(tenant, email(), email(recipient="eve@recipient.example"))
        assert [row.status for row in found] == ["accepted", "suppressed"]

    def test_of_whom_is_not_said_nobody_is_suppressed(self, sent, mail):
        keep(mail, [report("bounced", sent, hard=True, recipient="")])
        applied()
        assert status(sent) == "bounced"
        assert not Suppression.objects.exists()

    def test_in_any_order_it_ends_in_the_same(self, tenant, mail, run):
        kinds = ("deferred", "delivered", "opened", "complained")
        for order in permutations(kinds):
            [notification] = post(tenant, email(recipient=f"u{ids.new().hex}@recipient.example"))
            run()
            for kind in order:
                keep(mail, [report(kind, notification)])
                apply()
            assert status(notification) == "complained"
        applied()


STATEFUL = ("delivered", "bounced", "complained")


@settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(data=st.data())
def test_no_order_moves_a_state_back(data: Any, tenant: Tenant, mail: Provider, run: Any) -> None:
    [notification] = post(tenant, email(recipient=f"u{ids.new().hex}@recipient.example"))
    run()
    reports = [
        report(kind, notification)
        for kind in data.draw(st.lists(st.sampled_from([*Kind]), max_size=8))
    ]
    shuffled = data.draw(st.permutations([*reports, *reports]))
    seen = [status(notification)]
    for one in shuffled:
        keep(mail, [one])
        if data.draw(st.booleans()):
            apply()
        seen.append(status(notification))
    applied()
    seen.append(status(notification))
    moves = [(a, b) for a, b in pairwise(seen) if a != b]
    rank = {"sent": 0, "delivered": 1, "bounced": 1, "complained": 2}
    assert all(rank[a] < rank[b] for a, b in moves), moves
    kinds = {str(one.kind) for one in reports}
    expected = rank["complained"] if "complained" in kinds else int(bool(kinds & {*STATEFUL}))
    assert rank[seen[-1]] == expected
    written = types(notification)[3:]
    assert len([t for t in written if t in STATEFUL]) <= 2
    assert may_move(State.SENT, State(seen[-1])) or seen[-1] == "sent"


class TestIdempotence:
    def test_the_same_twice_is_one(self, sent, mail):
        one = report("opened", sent)
        keep(mail, [one, one])
        keep(mail, [one])
        applied()
        keep(mail, [one])
        applied()
        assert types(sent).count("opened") == 1
        assert Receipt.objects.count() == 1

    def test_a_storm_from_eight_threads_is_one(self, sent, mail):
        reports = [report("delivered", sent), report("opened", sent), report("clicked", sent)]

        def act(i: int) -> None:
            for _ in range(5):
                keep(mail, reports[:: 1 if i % 2 else -1])

        together(8, act)
        together(8, lambda i: [apply() for _ in range(3)])
        applied()
        assert sorted(types(sent)[3:]) == ["clicked", "delivered", "opened"]
        assert Receipt.objects.count() == 3

    def test_without_an_id_of_its_own_what_it_says_is_one(self, sent, mail):
        for at in (WHEN, WHEN, WHEN + timedelta(seconds=1)):
            keep(mail, [report("opened", sent, event_id="", at=at)])
        applied()
        assert types(sent).count("opened") == 2

    def test_an_id_of_another_provider_is_another(self, sent, tenant, mail, simulator):
        other = resend(tenant, simulator.http_url, name="other")
        one = report("opened", sent)
        keep(mail, [one])
        keep(other, [one])
        apply()
        assert types(sent).count("opened") == 1
        assert Receipt.objects.filter(applied_at=None).get().provider_id == other.pk


class TestUnknown:
    """A call whose answer was lost."""

    @pytest.fixture
    def lost(self, tenant: Tenant, mail: Provider, simulator: Any, run: Any) -> Notification:
        simulator.order(target="resend", kind="cut_after_accept", times=1)
        [notification] = post(tenant)
        run()
        assert Attempt.objects.get().outcome == "unknown"
        return notification

    @pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.REJECTED])
    def test_whatever_shows_that_it_has_it_makes_it_sent(self, lost, mail, run, simulator, kind):
        keep(mail, [report(kind, lost, provider_message_id="m1", echo=shown(lost))])
        applied()
        assert status(lost) == (kind if kind in STATEFUL else "sent")
        assert (lost.provider_message_id, lost.driver) == ("m1", "resend")
        assert lost.sent_at is not None
        assert not OutboxMessage.objects.exists()
        attempt = Attempt.objects.get()
        assert (attempt.outcome, attempt.provider_message_id) == ("sent", "m1")
        assert attempt.error, "why it was in doubt stays"
        assert types(lost)[:4] == ["accepted", "attempted", "attempted", "sent"]
        assert run() == 0
        assert simulator.count() == 1

    def test_rejected_shows_nothing(self, lost, mail):
        keep(mail, [report("rejected", lost, echo=shown(lost))])
        applied()
        assert status(lost) == "accepted"
        assert Attempt.objects.get().outcome == "unknown"
        assert OutboxMessage.objects.count() == 1

    def test_held_it_is_held_no_more(self, tenant, mail, simulator, run):
        CategoryPolicy.objects.create(tenant=tenant, category="transactional", on_unknown="hold")
        simulator.order(target="resend", kind="cut_after_accept", times=1)
        [notification] = post(tenant)
        run()
        assert status(notification) == "held"
        keep(mail, [report("delivered", notification, echo=shown(notification))])
        applied()
        assert (status(notification), notification.reason) == ("delivered", None)
        assert release([notification.pk]) == []
        assert not OutboxMessage.objects.exists()

    def test_given_up_its_dead_letter_is_closed(self, lost, mail):
        past = timezone.now() - timedelta(seconds=1)
        OutboxMessage.objects.all().delete()
        Notification.objects.update(status="failed", settled_at=past)
        DeadLetter.objects.create(tenant_id=lost.tenant_id, notification_id=lost.pk, reason="x")
        keep(mail, [report("accepted", lost, echo=shown(lost))])
        applied()
        assert status(lost) == "sent"
        assert DeadLetter.objects.get().closed_at is not None
        assert replay([lost.pk]) == []

    @pytest.mark.parametrize("outcome", ["started", "abandoned"])
    def test_of_a_worker_that_died(self, tenant, mail, run, simulator, outcome):
        [notification] = post(tenant)
        attempt = Attempt.objects.create(
            tenant=tenant, subject_id=notification.pk, number=1, fence=1, worker="gone",
            outcome=outcome, provider_id=mail.pk, provider_name=mail.name, driver="resend",
        )  # fmt: skip
        keep(mail, [report("accepted", notification, echo=ids.show("att", attempt.pk))])
        applied()
        assert status(notification) == "sent"
        assert run() == 0
        assert simulator.count() == 0

    def test_the_next_in_order_goes(self, tenant, mail, simulator, run):
        simulator.order(target="resend", kind="cut_after_accept", times=1)
        first, second = post(tenant, email(ordering_key="k"), email(ordering_key="k"))
        run()
        assert status(second) == "accepted"
        keep(mail, [report("accepted", first, echo=shown(first))])
        applied()
        run()
        assert [status(first), status(second)] == ["sent", "sent"]
        applied()

    def test_two_lost_answers_are_both_found_and_it_is_sent_once(self, lost, mail):
        known = Attempt.objects.get()
        Attempt.objects.create(
            tenant_id=lost.tenant_id, subject_id=lost.pk, number=2, fence=known.fence + 1,
            worker="w", outcome="unknown", provider_id=mail.pk, provider_name="resend",
            driver="resend",
        )  # fmt: skip
        echoes = [ids.show("att", row.pk) for row in Attempt.objects.all()]
        keep(mail, [report("delivered", lost, echo=echo) for echo in echoes])
        applied()
        assert status(lost) == "delivered"
        assert types(lost).count("sent") == types(lost).count("delivered") == 1
        assert {row.outcome for row in Attempt.objects.all()} == {"sent"}


class TestUnmatched:
    def test_before_our_own_sent_it_waits(self, tenant, mail, run):
        [notification] = post(tenant)
        keep(mail, [Report(Kind.DELIVERED, "not yet", event_id="e1")])
        assert apply() == 1
        assert apply() == 0, "it is not looked at all the time"
        assert Receipt.objects.get().applied_at is None
        run()
        Receipt.objects.update(due_at=timezone.now(), provider_message_id=vendors_id(notification))
        applied()
        assert status(notification) == "delivered"

    def test_each_look_is_later(self, mail):
        keep(mail, [Report(Kind.DELIVERED, "nobody's", event_id="e1")])
        waits = []
        for age in (0, 60, 86_400):
            now = timezone.now()
            Receipt.objects.update(due_at=now, received_at=now - timedelta(seconds=age))
            apply()
            waits.append((Receipt.objects.get().due_at - now).total_seconds())
        assert waits == [pytest.approx(w, abs=2) for w in (1, 60, 3_600)]

    def test_for_ever_unknown_it_is_forgotten(self, mail):
        keep(mail, [Report(Kind.DELIVERED, "nobody's", event_id="e1", raw="{}")])
        assert forget() == 0
        old = timezone.now() - timedelta(seconds=UNMATCHED_SECONDS + 1)
        Receipt.objects.update(received_at=old)
        assert forget() == 1
        assert not Receipt.objects.exists()

    def test_the_vendors_form_is_forgotten_and_what_it_meant_is_not(self, sent, mail):
        one = report("opened", sent, raw='{"to": "ada"}')
        keep(mail, [one])
        applied()
        Receipt.objects.update(received_at=timezone.now() - timedelta(days=31))
        assert forget() == 1
        row = Receipt.objects.get()
        assert (row.raw, row.recipient) == (None, None)
        keep(mail, [one])
        assert Receipt.objects.count() == 1, "a repeat is still one"

    def test_another_tenants_attempt_is_nobodys(self, sent, mail, simulator):
        stranger = TenantFactory.create()
        theirs = resend(stranger, simulator.http_url)
        attempt = ids.show("att", Attempt.objects.get().pk)
        for n, echo in enumerate((attempt, shown(sent), "")):
            keep(theirs, [report("bounced", sent, echo=echo, hard=True, event_id=f"e{n}")])
        apply()
        assert status(sent) == "sent"
        assert types(sent) == ["accepted", "attempted", "sent"]
        assert not Suppression.objects.exists()
        assert Receipt.objects.filter(applied_at=None).count() == 3
        applied()


class TestRaces:
    def test_receipt_and_settle_at_the_same_time(self, tenant, text, simulator, run):
        """Each delivery is reported while its own answer is being written."""
        found = post(tenant, *[SMS | {"body": f"{n}"} for n in range(20)])
        sids: set[str] = set()

        def report_all(_: int) -> None:
            deadline = timezone.now() + timedelta(seconds=20)
            while len(sids) < 20 and timezone.now() < deadline:
                for arrived in simulator.messages():
                    if arrived.id not in sids:
                        sids.add(arrived.id)
                        attempt = arrived.raw.decode().partition("attempt%3D")[2].partition("&")[0]
                        call = from_twilio(text, "delivered", arrived.id, attempt=attempt)
                        assert call.send() == 200
                apply()

        together(2, lambda i: run() if i else report_all(i))
        Receipt.objects.update(due_at=timezone.now())
        applied()
        assert [status(row) for row in found] == ["delivered"] * 20
        for row in found:
            assert types(row) == ["accepted", "attempted", "sent", "delivered"]
        assert simulator.count() == 20
        assert not Attempt.objects.exclude(outcome="sent").exists()

    @pytest.mark.parametrize("answer", [Sent("m1"), Unknown("lost")], ids=repr)
    def test_what_is_being_settled_is_left_for_the_next_look(self, tenant, mail, answer):
        [notification] = post(tenant)
        [(work, _)] = prepare(claim(1))
        keep(mail, [report("delivered", notification, echo=ids.show("att", work.attempt_id))])
        before = timezone.now()
        with transaction.atomic():
            settle([Result(work, answer, 0.1)])
            assert together(1, lambda _: apply()) == [1]
        waiting, busy = Receipt.objects.get(), timedelta(seconds=BUSY_SECONDS)
        assert waiting.applied_at is None
        assert before + busy <= waiting.due_at <= timezone.now() + busy
        Receipt.objects.update(due_at=timezone.now())
        applied()
        doubted = ["attempted"] * (answer != Sent("m1"))
        assert types(notification) == ["accepted", *doubted, "attempted", "sent", "delivered"]

    def test_what_somebody_else_changes_is_left_for_the_next_look(self, sent, mail):
        keep(mail, [report("delivered", sent)])
        with transaction.atomic():
            Notification.objects.select_for_update().get()
            assert together(1, lambda _: apply()) == [1]
        assert status(sent) == "sent"
        Receipt.objects.update(due_at=timezone.now())
        applied()
        assert status(sent) == "delivered"

    def test_two_who_apply_at_once_share_what_is_due(self, tenant, mail, run, monkeypatch):
        monkeypatch.setattr("delivery.apply.BATCH", 1)
        found = post(tenant, email(), email(recipient="eve@recipient.example"))
        run()
        keep(mail, [report("delivered", row) for row in found])
        with transaction.atomic():
            assert apply() == 1
            assert together(1, lambda _: apply()) == [1]
        assert [status(row) for row in found] == ["delivered", "delivered"]
        assert apply() == 0

    def test_settle_after_the_receipt_adds_its_evidence(self, tenant, mail, simulator, slots):
        """The provider's slow answer comes when its receipt has been applied."""
        simulator.order(target="resend", kind="slow", seconds=1.5, times=1)
        [notification] = post(tenant)

        def act(i: int) -> None:
            if i:
                slots.run(seconds=30)
                return
            simulator.wait_for(1)
            (arrived,) = simulator.messages()
            call = from_resend(mail, "delivered", arrived.id, key=shown(notification))
            assert call.send() == 200
            apply()
            assert status(notification) == "delivered"
            assert Attempt.objects.get().code is None

        together(2, act)
        attempt = Attempt.objects.get()
        assert (attempt.outcome, attempt.code) == ("sent", "200")
        assert types(notification) == ["accepted", "attempted", "sent", "delivered"]
        applied()

    @pytest.mark.parametrize("answer", [Unknown("lost"), Failed(Fault.TRANSIENT, "no"),
                                        Failed(Fault.BAD_ADDRESS, "no")], ids=repr)  # fmt: skip
    def test_another_answer_after_the_receipt_changes_nothing(self, tenant, mail, run, answer):
        [notification] = post(tenant)
        [(work, _)] = prepare(claim(1))
        keep(mail, [report("delivered", notification, echo=ids.show("att", work.attempt_id))])
        applied()
        settle([Result(work, answer, 0.1)])
        assert status(notification) == "delivered"
        assert Attempt.objects.get().outcome == "sent"
        assert types(notification) == ["accepted", "attempted", "sent", "delivered"]
        assert not OutboxMessage.objects.exists()
        assert run() == 0
        applied()
