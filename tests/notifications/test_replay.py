"""Replay: what failed is owed again, once, by whoever may, and whatever comes in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from delivery.audit import audit
from delivery.claim import begin, claim
from delivery.compose import Sending, compose
from delivery.driver import Failed, Fault, Sent
from delivery.settle import settle
from delivery.verdict import Result
from delivery.work import Work
from hiram.lib import ids, rfc3339
from notifications.models import Attempt, DeadLetter, Event, Lane, Notification, OutboxMessage
from notifications.replay import replay
from tenants.models import Tenant
from tests.factories import ProviderFactory, TenantFactory, email, post, shown
from tests.notifications.calls import PATH, api

pytestmark = pytest.mark.django_db(transaction=True)

LETTERS = "/v1/dead-letters"
REFUSED = Failed(Fault.BAD_ADDRESS, "550 no such user", code="550")


@pytest.fixture
def tenant() -> Tenant:
    made: Tenant = TenantFactory.create()
    ProviderFactory.create(tenant=made)
    return made


def call(*answers: Any) -> list[Result]:
    """Claim and begin as many rows; the results that say these answers, not settled yet."""
    Lane.objects.update(max_in_flight=1_000)
    works = [work for work in compose(claim(len(answers))) if isinstance(work, Work)]
    begin([work.attempt() for work in works])
    return [Result(work, said, 0.01) for work, said in zip(works, answers, strict=True)]


def failed(tenant: Tenant, *bodies: Any) -> list[Notification]:
    rows: list[Notification] = list(post(tenant, *(bodies or [email()])))
    settle(call(*[REFUSED] * len(rows)))
    assert set(Notification.objects.values_list("status", flat=True)) == {"failed"}
    return rows


def test_what_failed_is_owed_again_and_sent(tenant: Tenant) -> None:
    [row] = failed(tenant)
    before = timezone.now()
    said = api(tenant).ask("POST", f"{PATH}/{shown(row)}/replay", b"")
    assert (said.status, said.body) == (202, {"id": shown(row), "status": "accepted"})
    assert said.headers["Location"] == f"{PATH}/{shown(row)}"
    now = api(tenant).one(shown(row))
    assert (now["status"], now["reason"], len(now["attempts"])) == ("queued", None, 1)
    row.refresh_from_db()
    assert row.generation == 1
    assert (row.expires_at - before).days in (2, 3)
    [debt] = OutboxMessage.objects.all()
    assert (debt.pk, debt.tries, debt.claims, debt.expires_at) == (row.pk, 0, 0, row.expires_at)
    assert api(tenant).get(LETTERS).body["data"] == []
    [result] = call(Sent(code="250"))
    assert isinstance(result.work, Sending)
    assert result.work.message.key == f"{shown(row)}-1", "a provider's memory of keys is not met"
    settle([result])
    row.refresh_from_db()
    assert row.status == "sent"
    assert list(Event.objects.order_by("created_at", "id").values_list("type", flat=True)) == [
        "notification.accepted", "notification.attempted", "notification.failed",
        "notification.replayed", "notification.attempted", "notification.sent",
    ]  # fmt: skip
    assert audit().broken == []


def test_it_can_fail_and_be_replayed_again(tenant: Tenant) -> None:
    [row] = failed(tenant)
    for generation in (1, 2):
        assert replay([row.pk]) == [row.pk]
        settle(call(REFUSED))
        row.refresh_from_db()
        assert (row.status, row.generation) == ("failed", generation)
    assert DeadLetter.objects.filter(closed_at=None).count() == 1
    assert audit().broken == []


def test_what_did_not_fail_and_what_was_replayed_say_so(tenant: Tenant) -> None:
    [row] = post(tenant)
    path = f"{PATH}/{shown(row)}/replay"
    said = api(tenant).ask("POST", path, b"")
    assert (said.status, said.code) == (409, "not_dead_lettered")
    settle(call(REFUSED))
    assert api(tenant).ask("POST", path, b"").status == 202
    said = api(tenant).ask("POST", path, b"")
    assert (said.status, said.code) == (409, "already_replayed")
    assert OutboxMessage.objects.count() == 1


def test_nobody_elses(tenant: Tenant) -> None:
    [row] = failed(tenant)
    for stranger in (api(TenantFactory.create()), api(tenant, "test")):
        assert stranger.ask("POST", f"{PATH}/{shown(row)}/replay", b"").status == 404
        assert stranger.get(LETTERS).body["data"] == []
        assert stranger.post({}, f"{LETTERS}/replay").body["matched"] == 0
    assert OutboxMessage.objects.count() == 0


def test_of_fifty_at_once_one_is_the_replay(tenant: Tenant) -> None:
    [row] = failed(tenant)

    def one(_: int) -> int:
        try:
            return len(replay([row.pk]))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(one, range(50))) == 1
    assert OutboxMessage.objects.count() == 1
    assert audit().broken == []


def test_a_sent_that_comes_late_ends_it_either_way(tenant: Tenant) -> None:
    """The worker of the first attempt was thought dead; its provider had taken the mail."""
    for order in ("before", "after"):
        [row] = post(tenant)
        [late] = call(Sent(code="250"))
        OutboxMessage.objects.filter(pk=row.pk).update(due_at=timezone.now(), leased_by=None)
        settle(call(REFUSED))
        if order == "before":
            settle([late])
            assert replay([row.pk]) == []
        else:
            assert replay([row.pk]) == [row.pk]
            settle([late])
        row.refresh_from_db()
        assert row.status == "sent"
        assert not OutboxMessage.objects.exists()
        assert audit().broken == []


def test_the_race_of_both(tenant: Tenant) -> None:
    for _ in range(20):
        [row] = post(tenant)
        [late] = call(Sent(code="250"))
        OutboxMessage.objects.filter(pk=row.pk).update(due_at=timezone.now(), leased_by=None)
        settle(call(REFUSED))

        def run(action: Any) -> None:
            try:
                action()
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, [lambda: settle([late]), lambda: replay([row.pk])]))  # noqa: B023
        row.refresh_from_db()
        assert row.status == "sent"
        assert not OutboxMessage.objects.exists()
    assert audit().broken == []


def test_the_list_says_what_was_to_be_sent_and_what_was_tried(tenant: Tenant) -> None:
    failed(tenant, email(subject="first"), email(subject="second", category="marketing"))
    caller = api(tenant)
    listed = caller.get(LETTERS).body
    assert [one["payload"]["subject"] for one in listed["data"]] in (
        ["second", "first"], ["first", "second"],
    )  # fmt: skip
    [one] = caller.get(f"{LETTERS}?category=marketing").body["data"]
    assert (one["reason"], one["detail"]) == ("bad_address", "550 no such user")
    assert [(a["number"], a["outcome"], a["code"]) for a in one["attempts"]] == [
        (1, "rejected", "550")
    ]
    assert caller.get(f"{LETTERS}?reason=poison").body["data"] == []
    assert caller.get(f"{LETTERS}?reason=bad_address&limit=1").body["has_more"] is True
    assert caller.get(f"{LETTERS}?status=open").code == "bad-query"
    assert caller.get(f"{LETTERS}?category=x").code == "bad-query"


def test_replay_by_filter_at_a_pace_after_a_dry_run(tenant: Tenant) -> None:
    rows = failed(tenant, *[email(category="marketing")] * 4, email())
    caller, path = api(tenant), f"{LETTERS}/replay"
    wanted = {ids.show("ntf", row.pk) for row in rows[:4]}
    asked = {"category": "marketing", "per_second": 0.1}
    dry = caller.post(asked | {"dry_run": True}, path)
    assert (dry.status, dry.body["matched"], dry.body["replayed"]) == (200, 4, 0)
    assert set(dry.body["data"]) == wanted
    assert not OutboxMessage.objects.exists()
    done = caller.post(asked, path)
    assert (done.status, done.body["replayed"], done.body["has_more"]) == (202, 4, False)
    assert set(done.body["data"]) == wanted
    due = list(OutboxMessage.objects.order_by("due_at").values_list("due_at", flat=True))
    assert [round((at - due[0]).total_seconds()) for at in due] == [0, 10, 20, 30]
    assert caller.post(asked, path).body["matched"] == 0
    assert Attempt.objects.count() == 5
    assert audit().broken == []


def test_a_replay_in_parts_is_one_and_says_how_far_it_is(tenant: Tenant) -> None:
    failed(tenant, *[email(category="marketing")] * 2, email())
    caller, path = api(tenant), f"{LETTERS}/replay"
    part = caller.post({"category": "marketing", "per_second": 0.1}, path).body
    assert audit().broken == []
    rest = caller.post({"per_second": 0.1, "replay_id": part["id"]}, path).body
    assert (rest["id"], rest["replayed"]) == (part["id"], 1)
    due = list(OutboxMessage.objects.order_by("due_at").values_list("due_at", flat=True))
    assert [round((at - due[0]).total_seconds()) for at in due] == [0, 10, 20]
    said = caller.get(f"{path}/{part['id']}").body
    assert said.pop("created_at") < rfc3339.show(timezone.now())
    assert said == {"id": part["id"], "replayed": 3, "owed": 3, "statuses": {"accepted": 3}}
    settle(call(Sent(code="250")))
    said = caller.get(f"{path}/{part['id']}").body
    assert (said["owed"], said["statuses"]) == (2, {"accepted": 2, "sent": 1})
    assert caller.post({}, path).body["id"] is None
    assert caller.post({"dry_run": True}, path).body["id"] is None


def test_nobody_sees_or_adds_to_anothers_replay(tenant: Tenant) -> None:
    failed(tenant)
    path = f"{LETTERS}/replay"
    mine = api(tenant).post({}, path).body["id"]
    assert api(tenant, scopes=("notifications:write",)).get(f"{path}/{mine}").status == 403
    for stranger in (api(TenantFactory.create()), api(tenant, "test")):
        for name in (mine, ids.show("rpl", ids.new()), mine.replace("rpl", "ntf")):
            assert stranger.get(f"{path}/{name}").status == 404
            said = stranger.post({"replay_id": name}, path)
            assert (said.status, said.errors) == (422, [("/replay_id", "unknown")])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"per_second": 0}, "/per_second"),
        ({"replay_id": "rpl_1"}, "/replay_id"),
        ({"category": "x"}, "/category"),
        ({"everything": True}, "/everything"),
        ({"dry_run": "yes"}, "/dry_run"),
    ],
)
def test_a_wrong_filter_replays_nothing(tenant: Tenant, body: Any, pointer: str) -> None:
    failed(tenant)
    said = api(tenant).post(body, f"{LETTERS}/replay")
    assert (said.status, [where for where, _ in said.errors]) == (422, [pointer])
    assert not OutboxMessage.objects.exists()


def test_a_moment_that_is_none_replays_nothing(tenant: Tenant) -> None:
    failed(tenant)
    assert api(tenant).post({"created_after": "yesterday"}, f"{LETTERS}/replay").status == 422
    assert not OutboxMessage.objects.exists()
