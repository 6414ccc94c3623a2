"""`GET /v1/notifications` and its filters; `/attempts`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiram.lib import ids
from notifications.api.filters import filtered
from notifications.api.shapes import AttemptPage, NotificationPage, NotificationRecord
from notifications.models import Attempt, Lane, Notification, OutboxMessage
from notifications.record import show_all, with_status
from notifications.states import OWED, SETTLED, STORED, State
from tenants.models import Tenant
from tests.factories import TenantFactory, email, post, shown
from tests.notifications.calls import PATH, Api

pytestmark = pytest.mark.django_db

SMS = {"channel": "sms", "recipient": "+14155550100", "body": "482913"}
MINUTE = timedelta(minutes=1)


def walk(
    live: Api, query: str = "", limit: int = 2, between: Callable[[], Any] | None = None
) -> list[str]:
    """Every page, one after the other."""
    found: list[str] = []
    path = f"{PATH}?limit={limit}&{query}"
    cursor = ""
    while True:
        said = live.get(path + cursor)
        assert said.status == 200, said.body
        assert said.body["has_more"] is (said.body["next_cursor"] is not None)
        found += [row["id"] for row in said.body["data"]]
        if not said.body["has_more"]:
            return found
        assert len(said.body["data"]) == limit
        cursor = f"&cursor={said.body['next_cursor']}"
        if between:
            between()


def test_newest_come_first_page_by_page(live: Api, tenant: Tenant) -> None:
    made = [shown(row) for row in post(tenant, *[email()] * 7)]
    for limit in (1, 2, 6, 7, 8):
        assert walk(live, limit=limit) == made[::-1]


def test_rows_of_one_moment_are_neither_lost_nor_repeated(live: Api, tenant: Tenant) -> None:
    made = [shown(row) for row in post(tenant, *[email()] * 25)]
    assert Notification.objects.values("created_at").distinct().count() == 1
    assert walk(live, limit=4) == made[::-1]


def test_rows_that_come_meanwhile_disturb_nothing(live: Api, tenant: Tenant) -> None:
    made = [shown(row) for row in post(tenant, *[email()] * 9)]
    assert walk(live, between=lambda: post(tenant, *[email()] * 3)) == made[::-1]


def test_no_rows_are_an_empty_page(live: Api) -> None:
    assert live.get().body == {"data": [], "next_cursor": None, "has_more": False}


def test_a_page_costs_the_same_whatever_it_shows(
    live: Api, tenant: Tenant, django_assert_num_queries: Any
) -> None:
    rows = post(tenant, *[email()] * 60)
    for row in rows:
        attempt(row.pk)
    for limit in (1, 60):
        with django_assert_num_queries(4):  # the key, the rows, what is owed, the attempts
            assert len(live.get(f"{PATH}?limit={limit}").body["data"]) == limit


class TestFilters:
    @pytest.fixture
    def made(self, tenant: Tenant) -> dict[str, str]:
        bodies = {
            "plain": email(),
            "other": email(recipient="Bob@RECIPIENT.example", category="marketing"),
            "sms": SMS,
            "order": email(metadata={"order": "1", "shop": "a"}),
            "odd": email(metadata={"a.b": "x y", "é": "1", "q": "&=%", "empty": ""}),
        }  # fmt: skip
        return {
            name: shown(row)
            for name, row in zip(bodies, post(tenant, *bodies.values()), strict=True)
        }

    @pytest.mark.parametrize(("filters", "names"), [
        ({"channel": "sms"}, {"sms"}), ({"channel": "email"}, {"plain", "other", "order", "odd"}),
        ({"recipient": "Bob@recipient.example"}, {"other"}),
        ({"recipient": "bob@recipient.example"}, set()),
        ({"recipient": "+14155550100"}, {"sms"}), ({"category": "marketing"}, {"other"}),
        ({"category": "operational"}, set()), ({"metadata.order": "1"}, {"order"}),
        ({"metadata.order": "1", "metadata.shop": "a"}, {"order"}),
        ({"metadata.order": "1", "metadata.shop": "b"}, set()), ({"metadata.order": "10"}, set()),
        ({"metadata.a.b": "x y"}, {"odd"}), ({"metadata.é": "1"}, {"odd"}),
        ({"metadata.q": "&=%"}, {"odd"}), ({"metadata.empty": ""}, {"odd"}), ({"metadata.no": ""}, set()),
        ({"channel": "email", "category": "marketing", "recipient": "Bob@recipient.example"}, {"other"}),
        ({"channel": "sms", "metadata.order": "1"}, set()),
    ])  # fmt: skip
    def test_they_find_what_has_the_value(
        self, live: Api, made: dict[str, str], filters: dict[str, str], names: set[str]
    ) -> None:
        assert set(live.listed(urlencode(filters))) == {made[name] for name in names}

    def test_metadata_is_found_by_its_index(self, tenant: Tenant) -> None:
        rows = filtered(Notification.objects.all(), {"metadata.order": "1"})
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = off")
        assert "notification_metadata" in rows.explain()

    def test_times_are_bounds_that_are_not_met(self, live: Api, tenant: Tenant) -> None:
        rows = post(tenant, email(), email(), email())
        base = datetime.fromisoformat("2026-01-31T12:00:00.000001+00:00")
        for n, row in enumerate(rows):
            Notification.objects.filter(pk=row.pk).update(created_at=base + n * MINUTE)
        first, second, third = map(shown, rows)
        at = "2026-01-31T12:01:00.000001Z"
        assert live.listed(f"created_after={at}") == [third]
        assert live.listed(f"created_before={at}") == [first]
        assert live.listed("created_after=2026-01-31T13:01:00.000000%2B01:00") == [third, second]
        assert live.listed(f"created_after={at}&created_before={at}") == []
        assert live.listed("created_after=2026-01-31T12:00:00Z") == [third, second, first]

    def test_pages_keep_their_filter(self, live: Api, tenant: Tenant) -> None:
        rows = post(tenant, *[email(), SMS] * 5)
        wanted = [shown(row) for row in rows if row.channel == "sms"]
        assert walk(live, "channel=sms") == wanted[::-1]


def attempt(key: UUID, **fields: Any) -> Attempt:
    tenant_id = Notification.objects.get(pk=key).tenant_id
    known = {"number": 1, "fence": 1, "worker": "w", "outcome": "started", **fields}
    return Attempt.objects.create(tenant_id=tenant_id, subject_id=key, **known)


@dataclass(frozen=True)
class Situation:
    """What the engine holds of one notification."""

    stored: State = State.ACCEPTED
    is_owed: bool = True
    is_leased: bool = False
    due: timedelta = -MINUTE
    tries: int = 0
    is_parked: bool = False
    outcomes: tuple[str, ...] = ()

    def build(self, tenant: Tenant) -> UUID:
        """A row in this situation, in a lane of its own."""
        (row,) = post(tenant)
        lane = Lane.objects.create(
            tenant=tenant, mode="live", topic=f"t{row.pk.hex[-16:]}", rank=1,
            paused_at=timezone.now() if self.is_parked else None,
            reason="no_provider" if self.is_parked else None,
        )  # fmt: skip
        OutboxMessage.objects.filter(pk=row.pk).update(
            lane_id=lane.pk, due_at=timezone.now() + self.due, tries=self.tries,
            leased_by="w" if self.is_leased else None, fence=7,
        )  # fmt: skip
        if not self.is_owed:
            OutboxMessage.objects.filter(pk=row.pk).delete()
        settled = timezone.now() if self.stored in SETTLED else None
        Notification.objects.filter(pk=row.pk).update(status=self.stored, settled_at=settled)
        for number, outcome in enumerate(self.outcomes, 1):
            attempt(row.pk, number=number, fence=number, outcome=outcome)
        return row.pk


S = Situation
NAMED: list[tuple[str, Situation, State, str | None, bool]] = [
    ("due", S(), State.QUEUED, None, False),
    ("leased, no call yet", S(is_leased=True, due=MINUTE), State.QUEUED, None, False),
    ("leased, calling", S(is_leased=True, due=MINUTE, outcomes=("started",)), State.SENDING, None, False),
    ("lease over", S(is_leased=True, outcomes=("started",)), State.QUEUED, None, False),
    ("calling again", S(is_leased=True, due=MINUTE, tries=1, outcomes=("refused", "started")),
     State.SENDING, None, False),
    ("waits for its retry", S(due=MINUTE, tries=1, outcomes=("refused",)), State.QUEUED, None, True),
    ("retry is due", S(tries=1, outcomes=("unknown",)), State.QUEUED, None, True),
    ("parked", S(is_parked=True), State.ACCEPTED, "no_provider", False),
    ("parked after a try", S(is_parked=True, tries=1, outcomes=("refused",)), State.ACCEPTED,
     "no_provider", False),
    ("parked, still calling", S(is_parked=True, is_leased=True, due=MINUTE, outcomes=("started",)),
     State.SENDING, None, False),
    ("owed by nobody", S(is_owed=False), State.ACCEPTED, None, False),
    ("sent", S(State.SENT, is_owed=False, outcomes=("sent",)), State.SENT, None, False),
    ("failed", S(State.FAILED, is_owed=False, outcomes=("rejected",)), State.FAILED, None, False),
    ("expired", S(State.EXPIRED, is_owed=False), State.EXPIRED, None, False),
    ("scheduled", S(State.SCHEDULED, due=MINUTE), State.SCHEDULED, None, False),
    ("held", S(State.HELD, outcomes=("unknown",)), State.HELD, None, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("situation", "state", "reason", "has_next"), [n[1:] for n in NAMED], ids=[n[0] for n in NAMED]
)
def test_the_status_is_what_the_engine_does(
    live: Api,
    tenant: Tenant,
    situation: Situation,
    state: State,
    reason: str | None,
    has_next: bool,
) -> None:
    key = situation.build(tenant)
    row = live.one(ids.show("ntf", key))
    assert (row["status"], row["reason"]) == (state, reason)
    assert (row["next_attempt_at"] is not None) is has_next
    if has_next:
        due = OutboxMessage.objects.get(pk=key).due_at
        assert datetime.fromisoformat(row["next_attempt_at"]) == due
    NotificationRecord.model_validate(row)
    found = {s for s in State if live.listed(f"status={s}")}
    assert found == {state}


situations = st.builds(
    Situation,
    stored=st.sampled_from(sorted(STORED)) | st.just(State.ACCEPTED),
    is_owed=st.booleans(),
    is_leased=st.booleans(),
    due=st.sampled_from([-MINUTE, MINUTE]),
    tries=st.integers(0, 2),
    is_parked=st.booleans(),
    outcomes=st.lists(st.sampled_from(Attempt.Outcome.values), max_size=3).map(tuple),
)


@settings(
    max_examples=40, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(found=st.lists(situations, min_size=1, max_size=8))
def test_each_row_is_found_by_the_status_it_shows_and_by_no_other(
    db: None, found: list[Situation]
) -> None:
    tenant = TenantFactory.create()
    keys = [situation.build(tenant) for situation in found]
    rows = Notification.objects.filter(tenant=tenant)
    by_status = {
        ids.show("ntf", row.pk): state for state in State for row in with_status(rows, state)
    }
    total = sum(with_status(rows, state).count() for state in State)
    assert total == len(keys) == len(by_status)
    assert by_status == {row["id"]: row["status"] for row in show_all(list(rows))}
    for situation, row in zip(found, show_all(list(rows.order_by("id"))), strict=True):
        if situation.stored not in OWED | {State.ACCEPTED}:
            assert row["status"] == situation.stored


class TestAttempts:
    def test_they_are_shown_with_all_their_facts(self, live: Api, tenant: Tenant) -> None:
        (row,) = post(tenant)
        start = timezone.now()
        made = attempt(
            row.pk, outcome="sent", provider_id=ids.new(), provider_name="primary", driver="smtp",
            code="250", enhanced_code="2.0.0", payload_sha256="a" * 64, provider_message_id="<1@x>",
            copies=[{"address": "b@x.org", "accepted": True, "code": "250", "detail": ""}],
            started_at=start, finished_at=start + timedelta(milliseconds=37),
        )  # fmt: skip
        said = live.get(f"{PATH}/{shown(row)}/attempts")
        (found,) = said.body["data"]
        stamp = start.isoformat(timespec="microseconds").replace("+00:00", "Z")
        assert found == {
            "id": ids.show("att", made.pk), "number": 1, "provider": "primary", "driver": "smtp",
            "outcome": "sent", "fault": None, "code": "250", "enhanced_code": "2.0.0", "error": None,
            "duration_ms": 37, "route": None, "shadow": False, "payload_sha256": "a" * 64,
            "provider_message_id": "<1@x>",
            "copies": [{"address": "b@x.org", "accepted": True, "code": "250", "detail": ""}],
            "started_at": stamp, "finished_at": found["finished_at"],
        }  # fmt: skip
        assert live.one(shown(row))["attempts"] == [found]
        AttemptPage.model_validate(said.body)

    def test_in_the_record_they_are_in_their_order_in_the_list_newest_first(
        self, live: Api, tenant: Tenant
    ) -> None:
        (row,) = post(tenant)
        for number in (2, 1, 3):
            attempt(row.pk, number=number, outcome="refused",
                    started_at=timezone.now() + number * MINUTE)  # fmt: skip
        path = f"{PATH}/{shown(row)}"
        assert [a["number"] for a in live.get(path).body["attempts"]] == [1, 2, 3]
        numbers, cursor = [], ""
        while True:
            page = live.get(f"{path}/attempts?limit=1{cursor}").body
            numbers += [a["number"] for a in page["data"]]
            if not page["has_more"]:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert numbers == [3, 2, 1]

    def test_a_cursor_is_of_one_notification(self, live: Api, tenant: Tenant) -> None:
        one, other = post(tenant, email(), email())
        for row in (one, other):
            attempt(row.pk)
            attempt(row.pk, number=2)
        cursor = live.get(f"{PATH}/{shown(one)}/attempts?limit=1").body["next_cursor"]
        said = live.get(f"{PATH}/{shown(other)}/attempts?limit=1&cursor={cursor}")
        assert said.errors == [("/cursor", "invalid")]

    def test_none_are_an_empty_page(self, live: Api, tenant: Tenant) -> None:
        (row,) = post(tenant)
        body = live.get(f"{PATH}/{shown(row)}/attempts").body
        assert body == {"data": [], "next_cursor": None, "has_more": False}


def test_the_record_of_one_that_was_sent(live: Api, tenant: Tenant) -> None:
    (row,) = post(tenant, email(metadata={"order": "1"}))
    provider = ids.new()
    Notification.objects.filter(pk=row.pk).update(
        status="sent", provider_id=provider, provider_name="primary", driver="smtp",
        sent_at=F("created_at") + timedelta(milliseconds=412), settled_at=timezone.now(),
    )  # fmt: skip
    OutboxMessage.objects.all().delete()
    shown_row = live.one(shown(row))
    assert shown_row["provider"] == {
        "id": ids.show("prv", provider), "name": "primary", "driver": "smtp",
    }  # fmt: skip
    assert (shown_row["latency_ms"], shown_row["status"]) == (412, "sent")
    assert live.get().body["data"] == [shown_row]
    NotificationPage.model_validate(json.loads(live.get().raw))
    Notification.objects.filter(pk=row.pk).update(provider_id=None, provider_name="simulator")
    assert live.one(shown(row))["provider"] == {
        "id": None, "name": "simulator", "driver": "smtp",
    }  # fmt: skip


def test_columns_of_ours_are_not_shown(live: Api, tenant: Tenant) -> None:
    (row,) = post(tenant)
    attempt(row.pk, worker="host-7-secret", fence=99)
    raw = live.get(f"{PATH}/{shown(row)}").raw.decode()
    for hidden in (
        "tenant",
        "lane",
        "fence",
        "worker",
        "host-7",
        "content",
        "generation",
        "Thank you",
    ):
        assert hidden not in raw
