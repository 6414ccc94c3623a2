"""Accept is one transaction: whatever fails in the middle of it leaves nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import pytest
from django.db import connection, connections, transaction

from hiram.lib.doorbell import doorbell
from hiram.telemetry import metrics
from notifications.accept import Owner, accept, send_own
from notifications.channel import Request
from notifications.models import (
    Content,
    Event,
    IdempotencyRecord,
    Lane,
    Notification,
    OutboxMessage,
)
from notifications.shelves import channels
from tenants.models import Tenant
from tests.factories import TenantFactory, email
from tests.notifications.calls import Api, Said, api

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = [Notification, Content, Event, OutboxMessage, Lane, IdempotencyRecord]
SECONDS = 15
POSTS = 100


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def live(tenant: Tenant) -> Api:
    return api(tenant)


def stored() -> dict[str, int]:
    return {m.__name__: m.objects.count() for m in TABLES if m.objects.exists()}


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def refusing(table: str) -> Iterator[None]:
    """The table takes no row."""
    run(f"ALTER TABLE {table} ADD CONSTRAINT refusing CHECK (false) NOT VALID")
    try:
        yield
    finally:
        run(f"ALTER TABLE {table} DROP CONSTRAINT refusing")


@pytest.mark.parametrize("model", TABLES)
def test_no_table_can_fail_alone(live: Api, model: type[Notification]) -> None:
    with refusing(model._meta.db_table):
        for said in (
            live.post(email(), Idempotency_Key="k"),
            live.batch(email(), email(), Idempotency_Key="b"),
        ):
            assert (said.status, said.code) == (500, "internal")
            assert said.body["detail"].startswith("Nothing was accepted.")
        assert stored() == {}
    said = live.post(email(), Idempotency_Key="k")
    assert (said.status, "Idempotency-Replayed" in said.headers) == (202, False)


@contextmanager
def held_up(table: str) -> Iterator[None]:
    """Whoever writes to the table waits, in the middle of its statement."""
    holder = connections.create_connection("default")
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield
    finally:
        holder.close()


def waiting(count: int = 1) -> list[int]:
    """The server's processes that wait for a lock, once there are so many."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_locks WHERE NOT granted")
            found = [pid for (pid,) in cursor.fetchall()]
        if len(found) >= count:
            return found
    raise AssertionError("nobody waits")


def apart(act: Callable[[], Said]) -> Said:
    try:
        return act()
    finally:
        connections.close_all()


@pytest.mark.parametrize("table", [m._meta.db_table for m in TABLES[:4]])
def test_a_connection_cut_in_the_middle_leaves_nothing(live: Api, table: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        with held_up(table):
            answer = pool.submit(apart, lambda: live.post(email(), Idempotency_Key="k"))
            for pid in waiting():
                run(f"SELECT pg_terminate_backend({pid}, 5000)")
        said = answer.result(timeout=SECONDS)
    assert (said.status, said.code, said.headers["Retry-After"]) == (503, "unavailable", "1")
    assert (said.body["outcome"], said.body["retry"]) == ("unknown", "same Idempotency-Key")
    assert stored() == {}
    assert live.post(email(), Idempotency_Key="k").status == 202


def test_a_statement_that_is_canceled_leaves_nothing(live: Api) -> None:
    with ThreadPoolExecutor(1) as pool:
        with held_up("notifications_event"):
            answer = pool.submit(apart, lambda: live.batch(*[email()] * 20, Idempotency_Key="k"))
            for pid in waiting():
                run(f"SELECT pg_cancel_backend({pid})")
        assert answer.result(timeout=SECONDS).status == 503
    assert stored() == {}


def test_a_lock_that_is_not_had_in_time_asks_to_come_again(live: Api) -> None:
    with held_up("notifications_event"):
        said = live.post(email())
        keyed = live.post(email(), Idempotency_Key="k")
    assert (said.code, said.headers["Retry-After"]) == ("unavailable", "1")
    assert (keyed.code, keyed.headers["Retry-After"]) == ("idempotency-in-progress", "1")
    assert stored() == {}


def nemesis(stop: threading.Event) -> int:
    """Cut accepting connections until `stop`; how many."""
    cut = 0
    try:
        while not stop.wait(0.02):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND query LIKE '%fresh AS%' AND random() < 0.5"
                )
                cut += cursor.fetchone()[0]
    finally:
        connections.close_all()
    return cut


def until_accepted(live: Api, index: int) -> str:
    """Post again with the same key until it is answered, as a client does; the id."""
    try:
        while True:
            said = live.post(email(subject=f"{index}"), Idempotency_Key=f"{index}")
            if said.status == 202:
                return str(said.body["id"])
            assert said.status in {409, 503}, said.body
    finally:
        connections.close_all()


def test_terminations_all_the_time_lose_and_double_nothing(live: Api) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(9) as pool:
        cuts = pool.submit(nemesis, stop)
        done = list(pool.map(lambda index: until_accepted(live, index), range(POSTS)))
        stop.set()
        assert cuts.result(timeout=SECONDS) > 0, "the run injected no fault"
    assert len(set(done)) == POSTS
    assert stored() == {
        "Notification": POSTS, "Content": POSTS, "Event": POSTS, "OutboxMessage": POSTS, "Lane": 1,
        "IdempotencyRecord": POSTS,
    }  # fmt: skip
    subjects = Notification.objects.values_list("subject", flat=True)
    assert sorted(map(int, subjects)) == list(range(POSTS))


class TestTheVerb:
    @pytest.fixture
    def owner(self, tenant: Tenant) -> Owner:
        return Owner(tenant.pk, "live")

    @pytest.fixture
    def request_(self) -> Request:
        return channels["email"].request.model_validate(email())

    def test_it_refuses_to_run_inside_a_transaction(self, owner: Owner, request_: Request) -> None:
        def respond(made: list[UUID]) -> tuple[int, object]:
            return 202, made

        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            accept(owner, [request_], respond)
        assert stored() == {}

    def test_an_answer_that_cannot_be_made_writes_nothing(
        self, owner: Owner, request_: Request
    ) -> None:
        def respond(made: list[UUID]) -> tuple[int, object]:
            raise LookupError(made)

        with pytest.raises(LookupError):
            accept(owner, [request_], respond)
        assert stored() == {}

    def test_it_is_committed_when_it_returns(self, owner: Owner, request_: Request) -> None:
        (made,) = accept(owner, [request_], lambda made: (202, made)).body
        other = connections.create_connection("default")
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT id FROM notifications_outboxmessage")
                assert cursor.fetchall() == [(made,)]
        finally:
            other.close()
        assert connection.get_autocommit()

    def test_the_bell_is_rung_after_the_commit_and_only_then(
        self, owner: Owner, request_: Request, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[int] = []
        monkeypatch.setattr(doorbell, "ring", lambda: seen.append(OutboxMessage.objects.count()))
        accept(owner, [request_], lambda made: (202, made))
        with refusing("notifications_event"), pytest.raises(Exception, match="refusing"):
            accept(owner, [request_], lambda made: (202, made))
        assert seen == [1]

    def test_what_is_committed_is_accepted_even_if_it_cannot_be_counted(
        self, live: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise OSError("no space left")

        monkeypatch.setattr(metrics, "accepted", broken)
        assert live.post(email()).status == 202
        assert stored()["Notification"] == 1


def test_our_own_mail_is_the_system_tenants(transactional_db: None) -> None:
    system = TenantFactory.create(is_system=True)
    given = send_own(channel="email", recipient="a@x.org", subject="s", body="b", html="<p>b</p>")
    [made] = given.body
    row = Notification.objects.get(pk=made)
    assert (row.tenant_id, row.mode, row.recipient) == (system.pk, "live", "a@x.org")
    assert Content.objects.get().payload == {"subject": "s", "text": "b", "html": "<p>b</p>"}
    assert str(OutboxMessage.objects.get().pk) == made
