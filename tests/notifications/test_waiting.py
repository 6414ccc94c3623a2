"""`Prefer: wait=N` (RFC 7240)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib import ids
from notifications.api import endpoints, waiting
from notifications.api.waiting import preferred_wait
from notifications.models import Notification, OutboxMessage
from notifications.states import SETTLED
from tests.factories import TenantFactory, email
from tests.notifications.calls import Api, Said, api


@pytest.mark.parametrize(("header", "seconds"), [
    ("", 0), ("wait=10", 10), ("wait=0", 0), ("wait=30", 30), ("wait=31", 30), ("wait=999999999", 30),
    ("Wait=5", 5), ("WAIT=5", 5), ("wait = 5", 5), ('wait="5"', 5), ("wait=05", 5),
    ("respond-async, wait=5", 5), ("respond-async,wait=5", 5), ("wait=5, respond-async", 5),
    ("wait=5; foo=bar", 5), ("wait=5;foo", 5), ("foo=bar;baz, wait=5", 5), ('foo="a, wait=9", wait=5', 5),
    ("wait=5, wait=9", 5), ("wait=x, wait=9", 0), (" , wait=5", 0), ("  wait=5  ", 5),
    ("wait", 0), ("wait=", 0), ("wait=-5", 0), ("wait=5.5", 0), ("wait=5s", 0), ("wait=0x5", 0),
    ("wait=\u0665", 0), ("wait=1e1", 0), ("wait=9999999999", 0), ('wait="5', 0), ("await=5", 0),
    ("wait-for=5", 0), ("foo;wait=5", 0), ("foo;wait=5, bar", 0), ('foo="wait=5"', 0), ("wait=5 6", 0),
    ("wait==5", 0), ("wait:5", 0), ("return=minimal wait=5", 0), ('foo="\\", wait=9", wait=5', 5),
    ("x" * 10_000 + ", wait=5", 5), ('"' * 10_000, 0), ("a=" * 10_000, 0), ("a;" * 10_000 + ",wait=5", 5),
    ('a="' + '\\"' * 20_000, 0), (" " * 50_000 + "wait", 0), ("a" + " " * 50_000 + "!,", 0),
])  # fmt: skip
def test_the_header_is_read_as_its_grammar_says(header: str, seconds: int) -> None:
    started = time.perf_counter()
    assert preferred_wait(header) == seconds
    assert time.perf_counter() - started < 1


@given(header=st.text(st.sampled_from('wait=5",; \\\tx9-'), max_size=40))
def test_any_header_is_read_and_none_waits_too_long(header: str) -> None:
    assert 0 <= preferred_wait(header) <= 30


@pytest.fixture
def live(transactional_db: None) -> Api:
    return api(TenantFactory.create())


def settle(shown: str, status: str = "sent") -> None:
    """As a worker does, by another connection."""
    now = timezone.now()
    Notification.objects.filter(pk=ids.parse("ntf", shown)).update(
        status=status, sent_at=now if status == "sent" else None, settled_at=now, driver="smtp"
    )


def apart(act: Any) -> Any:
    try:
        return act()
    finally:
        connections.close_all()


def only_row() -> str:
    """The id of the one notification, once there is one."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if row := Notification.objects.first():
            return ids.show("ntf", row.pk)
    raise AssertionError("nothing was accepted")


class TestWaiting:
    @pytest.mark.parametrize("status", sorted(SETTLED))
    def test_what_settles_is_answered_as_a_whole(self, live: Api, status: str) -> None:
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(apart, lambda: live.post(email(), Prefer="wait=20"))
            shown = only_row()
            settle(shown, status)
            answer: Said = said.result(timeout=10)
        assert (answer.status, answer.body["status"]) == (200, status)
        assert answer.body == live.one(shown)
        assert answer.headers["Preference-Applied"] == "wait=20"
        assert answer.headers["Location"] == f"/v1/notifications/{shown}"

    @pytest.mark.parametrize("status", ["accepted", "held", "scheduled"])
    def test_when_time_is_up_it_is_accepted(self, live: Api, status: str) -> None:
        started = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(apart, lambda: live.post(email(), Prefer="wait=1"))
            Notification.objects.filter(pk=ids.parse("ntf", only_row())).update(status=status)
            answer: Said = said.result(timeout=10)
        assert 1 <= time.monotonic() - started < 5
        assert (answer.status, answer.body["status"]) == (202, "accepted")
        assert list(answer.body) == ["id", "status"]
        assert answer.headers["Preference-Applied"] == "wait=1"

    def test_a_known_key_waits_for_the_first_ones(self, live: Api) -> None:
        first = live.post(email(), Idempotency_Key="k")
        settle(first.body["id"])
        said = live.post(email(), Idempotency_Key="k", Prefer="wait=5")
        assert (said.status, said.body["id"], said.body["status"]) == (
            200, first.body["id"], "sent",
        )  # fmt: skip
        assert said.headers["Idempotency-Replayed"] == "true"
        assert live.post(email(), Idempotency_Key="k").raw == first.raw

    def test_a_refusal_does_not_wait(self, live: Api) -> None:
        assert live.post({}, Prefer="wait=30").status == 422

    def test_a_batch_does_not_wait(self, live: Api) -> None:
        said = live.batch(email(), Prefer="wait=30")
        assert said.status == 202
        assert "Preference-Applied" not in said.headers

    def test_without_the_header_nobody_waits(self, live: Api) -> None:
        said = live.post(email())
        assert (said.status, "Preference-Applied" in said.headers) == (202, False)

    @pytest.mark.parametrize("where", ["_are_settled", "show"])
    def test_a_database_that_goes_away_meanwhile_changes_no_answer(
        self, live: Api, where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object) -> bool:
            raise DatabaseError("gone")

        monkeypatch.setattr(
            waiting, "_are_settled", away if where == "_are_settled" else lambda _: True
        )
        if where == "show":
            monkeypatch.setattr(endpoints, "show", away)
        said = live.post(email(), Prefer="wait=5")
        assert (said.status, said.body["status"]) == (202, "accepted")
        assert OutboxMessage.objects.count() == 1


def test_a_quarter_of_the_threads_may_wait_and_no_more(live: Api) -> None:
    most = settings.WEB_THREADS // 4
    assert most == 1
    settled, begun = threading.Event(), threading.Barrier(6, timeout=10)

    def post() -> Said:
        begun.wait()
        return live.post(email(), Prefer="wait=20")

    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(apart, post) for _ in range(6)]
        deadline = time.monotonic() + 15
        while sum(a.done() for a in answers) < 6 - most and time.monotonic() < deadline:
            settled.wait(0.01)
        early = [a.result() for a in answers if a.done()]
        assert len(early) == 6 - most
        assert {a.status for a in early} == {202}
        assert all("Preference-Applied" not in a.headers for a in early)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE notifications_notification SET status = 'sent', settled_at = now()"
            )
        late = [a.result(timeout=10) for a in answers if a.result(timeout=10) not in early]
    assert [a.status for a in late] == [200] * most
    said = live.post(email(), Prefer="wait=1")
    assert said.headers["Preference-Applied"] == "wait=1", "the places are given back"
