"""What comes due in its user's quiet hours waits for their end, whatever made it due, and is sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from delivery.claim import claim, leased
from delivery.deliver import deliver_claim, prepare
from notifications.hold import release
from notifications.models import Attempt, Preference, Subscriber
from notifications.quiet import DAYS
from notifications.replay import replay
from notifications.subscribers import forget
from tenants.models import CategoryPolicy
from tests.delivery.night import HOUR, come, morning, quiet, record, waits
from tests.delivery.receipts.conftest import types
from tests.factories import email, post, to_user

pytestmark = pytest.mark.django_db(transaction=True)


class TestWhatMakesItDue:
    def test_a_backlog(self, tenant, provider, run, simulator):
        [one] = to_user(tenant)
        ready = quiet(tenant)
        assert run() == 0
        waits(one, ready)
        assert not Attempt.objects.exists()
        assert types(one) == ["accepted", "scheduled"]
        morning()
        assert run() == 1
        assert (record(one)["status"], record(one)["reason"]) == ("sent", None)
        assert simulator.count() == 1

    def test_a_retry(self, tenant, provider, run, simulator):
        simulator.order(target="smtp", kind="status", code=451, enhanced="4.3.0", times=1)
        [one] = to_user(tenant)
        assert run() == 1
        ready = quiet(tenant)
        come()
        assert run() == 0
        row = waits(one, ready)
        assert (row.tries, Attempt.objects.count(), simulator.count()) == (1, 1, 0)
        assert record(one)["next_attempt_at"] is not None
        morning()
        assert run() == 1
        assert record(one)["status"] == "sent"
        assert types(one) == ["accepted", "attempted", "scheduled", "attempted", "sent"]

    def test_a_retry_after_it_has_no_reason_of_the_night(self, tenant, provider, run, simulator):
        [one] = to_user(tenant)
        quiet(tenant)
        run()
        morning()
        simulator.order(target="smtp", kind="status", code=451, enhanced="4.3.0", times=1)
        assert run() == 1
        assert (record(one)["status"], record(one)["reason"]) == ("queued", None)

    @pytest.mark.parametrize("on_unknown", ["retry", "verify", "hold"])
    def test_a_lost_answer(self, tenant, provider, run, simulator, on_unknown):
        """What is held for people to decide is held at once: that disturbs nobody."""
        CategoryPolicy.objects.create(
            tenant=tenant, category="transactional", on_unknown=on_unknown
        )
        [one] = to_user(tenant)
        assert len(prepare(claim(1))) == 1
        ready = quiet(tenant)
        come()
        assert run() == 0
        if on_unknown == "retry":
            waits(one, ready)
        else:
            assert record(one)["status"] == "held"

    def test_a_release(self, tenant, provider, run, simulator):
        simulator.order(target="smtp", kind="cut_after_accept", times=1)
        [one] = to_user(tenant, "u1", email(category="marketing"))
        ready = quiet(tenant, categories={"marketing": {"email": True}})
        span = Preference.objects.get().quiet_hours
        Preference.objects.update(quiet_hours=None)
        assert run() == 1
        Preference.objects.update(quiet_hours=span)
        assert release([one.pk]) == [one.pk]
        assert run() == 0
        waits(one, ready)
        morning()
        assert run() == 1
        assert record(one)["status"] == "sent"

    def test_a_replay(self, tenant, provider, run, simulator):
        simulator.order(target="smtp", kind="status", code=550, enhanced="5.1.1", times=1)
        [one] = to_user(tenant)
        run()
        ready = quiet(tenant)
        assert replay([one.pk]) == [one.pk]
        assert run() == 0
        waits(one, ready)
        morning()
        assert run() == 1
        assert record(one)["status"] == "sent"

    def test_a_suspect_that_runs_alone(self, tenant, provider, run):
        [one] = to_user(tenant)
        ready = quiet(tenant)
        [taken] = claim(1)
        alone = leased(taken.id, taken.fence, taken.taken_at)
        assert alone
        deliver_claim(alone)
        waits(one, ready)

    def test_quiet_hours_that_grew_meanwhile(self, tenant, provider, run):
        [one] = to_user(tenant)
        quiet(tenant)
        run()
        Preference.objects.all().delete()
        now = datetime.now(UTC)
        span = {"start": f"{now - HOUR:%H:%M}", "end": f"{now + 2 * HOUR:%H:%M}"}
        Preference.objects.create(tenant=tenant, mode="live", user_id="u1", quiet_hours=span)
        come()
        assert run() == 0
        waits(one, (now + 2 * HOUR).replace(second=0, microsecond=0))
        assert types(one) == ["accepted", "scheduled", "scheduled"]


class TestWhom:
    def test_a_send_window(self, tenant, provider, run):
        now = datetime.now(UTC)
        opens = (now + 2 * HOUR).replace(minute=0, second=0, microsecond=0)
        window = {"days": [DAYS[opens.weekday()]], "start": f"{opens:%H:%M}"}
        window["end"] = f"{opens + HOUR:%H:%M}"
        [one] = to_user(tenant)
        quiet(tenant, quiet_hours=None, send_windows=[window])
        assert run() == 0
        waits(one, opens)

    def test_by_the_users_clock_or_else_the_tenants(self, tenant, provider, run):
        to_user(tenant)
        quiet(tenant)
        tenant.timezone = "Asia/Tokyo"
        tenant.save()
        for zone, sent in (("UTC", 0), (None, 1)):
            Subscriber.objects.update(timezone=zone)
            come()
            assert run() == sent

    @pytest.mark.parametrize(
        ("priority", "category", "sent"),
        [
            ("high", "transactional", 1), ("high", "operational", 1), ("high", "marketing", 0),
            ("normal", "transactional", 0), ("bulk", "operational", 0),
        ],
    )  # fmt: skip
    def test_high_passes_but_in_marketing(self, tenant, provider, run, priority, category, sent):
        to_user(tenant, "u1", email(priority=priority, category=category))
        quiet(tenant, categories={"marketing": {"email": True}})
        assert run() == sent

    def test_others_go(self, tenant, provider, run):
        quiet(tenant, "u1")
        to_user(tenant, "u2")
        post(tenant)
        assert run() == 2

    def test_of_who_is_forgotten_nothing_waits(self, tenant, provider, run):
        to_user(tenant)
        quiet(tenant)
        forget(tenant.pk, "live", "u1")
        assert run() == 1

    def test_in_the_other_mode_nothing_waits(self, tenant, provider, run):
        quiet(tenant)
        to_user(tenant, mode="test")
        assert run() == 1
