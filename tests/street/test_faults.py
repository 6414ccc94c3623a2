"""Parts that are away, frozen or asked to stop, in the midst of it. Nothing is lost."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.embedded.waiting import lives, until
from tests.street.instance import Instance
from tests.street.processes import children, family, frozen
from tests.street.tenant import Tenant

pytestmark = pytest.mark.xdist_group("street")

_RELAY_WAITS = """
SELECT 1 FROM pg_stat_clear_snapshot(), pg_stat_activity
 WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE notifications_lane l SET paused_at = NULL%'
"""

POSTS = 30
RECOVERY_SECONDS = 90


@pytest.fixture(autouse=True)
def ready(instance: Instance) -> Iterator[None]:
    """Before and after, all is well again."""
    until(instance.ready, RECOVERY_SECONDS)
    yield
    until(instance.ready, RECOVERY_SECONDS)


def post_many(tenant: Tenant) -> tuple[list[str], float]:
    """Ids of posts one after another, and how long the quickest took, in seconds."""
    answers = [tenant.post(tenant.letter(f"n{number}")) for number in range(POSTS)]
    assert {answer.status_code for answer in answers} == {202}
    quickest = min(answer.elapsed.total_seconds() for answer in answers)
    return [answer.json()["id"] for answer in answers], quickest


def arrived_once(tenant: Tenant, made: list[str]) -> None:
    """All are sent, and the simulator has each once."""
    for notification in made:
        assert tenant.ended(notification, seconds=RECOVERY_SECONDS)["status"] == "sent"
    found = Counter(a["key"] for a in tenant.instance.mailbox.arrivals() if a["key"] in set(made))
    assert found == Counter(made)


def test_without_the_database_the_api_says_so_quickly_and_recovers(instance, tenant):
    before, _ = post_many(tenant)
    with instance.gone("postgres"):
        for method, path in (
            ("POST", "/v1/notifications"),
            ("GET", f"/v1/notifications/{before[0]}"),
            ("POST", "/v1/notifications/batch"),
        ):
            body = tenant.letter() if method == "POST" else None
            answer = tenant.ask(method, path, body, timeout=5)
            assert answer.status_code == 503
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["Retry-After"] == "1"
            assert answer.json()["code"] == "unavailable"
        until(lambda: instance.ops("/readyz")[0] == 503)
        assert instance.ops("/healthz")[0] == 200
    until(lambda: tenant.post().status_code == 202, RECOVERY_SECONDS)
    arrived_once(tenant, before)
    after, _ = post_many(tenant)
    arrived_once(tenant, after)


@pytest.mark.parametrize("how", ["gone", "frozen"])
def test_without_redis_all_is_delivered_and_the_api_is_as_quick(instance, tenant, how):
    before, usual = post_many(tenant)
    arrived_once(tenant, before)
    away = instance.gone("redis") if how == "gone" else frozen(instance.pid("redis"))
    with away:
        made, quickest = post_many(tenant)
        # A publish inside the request would cost each of them its time-out, 50 ms at least.
        assert quickest < usual + 0.05
        arrived_once(tenant, made)
        until(lambda: "redis" in instance.ops("/readyz")[1])
        status, body = instance.ops("/readyz")
        assert (status, list(json.loads(body)["degraded"])) == (200, ["redis"])


def test_with_redis_gone_in_the_midst_of_a_tick_the_relay_hears_the_next_ones(instance):
    with ExitStack() as stack:
        with instance.database() as database, database.transaction():
            # For this the relay waits in the midst of its tick, which it then cannot acknowledge.
            database.execute("LOCK TABLE notifications_lane IN ACCESS EXCLUSIVE MODE")
            until(lambda: database.execute(_RELAY_WAITS).fetchone())
            stack.enter_context(instance.gone("redis"))
        until(lambda: "Couldn't ack" in instance.log())
    until(lambda: not instance.ready())
    until(instance.ready, RECOVERY_SECONDS)


def test_without_beat_all_is_delivered_and_retried(instance, tenant):
    refusal = {"target": "smtp", "kind": "status", "code": 451, "enhanced": "4.3.0"}
    with frozen(instance.pid("beat")):
        made, _ = post_many(tenant)
        arrived_once(tenant, made)
        # Nobody rings for a retry.
        with instance.mailbox.ordered(
            **refusal, times=3, match={"recipient": tenant.to("later*")}
        ):
            later = [tenant.sent(tenant.letter(f"later{number}")) for number in range(3)]
            arrived_once(tenant, later)
        until(lambda: "beat" in instance.ops("/readyz")[1])


def test_without_beat_and_redis_all_is_delivered(instance, tenant):
    with frozen(instance.pid("beat")), instance.gone("redis"):
        made, _ = post_many(tenant)
        arrived_once(tenant, made)


def test_with_a_worker_child_killed_again_and_again_the_rest_goes_on(instance, tenant):
    for number in range(3):
        pid = until(lambda: children(instance.pid("worker")))[-1]
        os.kill(pid, signal.SIGKILL)
        assert tenant.post(tenant.letter(f"n{number}"), Prefer="wait=30").status_code == 200


@pytest.mark.parametrize("how", ["with Redis", "without Redis"])
def test_a_worker_asked_to_stop_ends_its_calls_first(instance, tenant, how):
    slow = {"target": "smtp", "kind": "slow", "seconds": 6, "match": {"recipient": tenant.to("*")}}
    if how == "without Redis":
        with instance.gone("redis"):
            stop_worker(instance, tenant, slow)
    else:
        stop_worker(instance, tenant, slow)


def ending(instance: Instance, pid: int) -> str:
    """How the process ended, as the supervisor says."""
    said = re.compile(rf" up +\w+ \(pid {pid}\) (.+)\n")
    return str(until(lambda: said.findall(instance.log()))[0])


def stop_worker(instance, tenant, slow):
    pid = instance.pid("worker")
    members = family(pid)
    with instance.mailbox.ordered(**slow):
        body = {"notifications": [tenant.letter(f"n{number}") for number in range(40)]}
        answer = tenant.ask("POST", "/v1/notifications/batch", body)
        made = [item["id"] for item in answer.json()["data"]]

        def calling() -> list[str]:
            shown = tenant.ask("GET", "/v1/notifications?status=sending&limit=100").json()["data"]
            return [row["id"] for row in shown]

        until(lambda: len(calling()) >= 8, 30)
        os.kill(pid, signal.SIGTERM)
        open_at_the_signal = calling()
        until(lambda: not any(lives(member) for member in members), 40)
    assert ending(instance, pid) == "ended with 0"
    arrived_once(tenant, made)
    for notification in open_at_the_signal:
        assert [a["outcome"] for a in tenant.get(notification)["attempts"]] == ["sent"]


def test_a_web_process_asked_to_stop_answers_first(instance, tenant):
    """A request that waits is answered, and the port is served again soon."""
    pid = instance.pid("web")
    slow = {"target": "smtp", "kind": "slow", "seconds": 3, "match": {"recipient": tenant.to("*")}}
    with instance.mailbox.ordered(**slow):
        notification = tenant.sent()
        until(lambda: tenant.get(notification)["status"] == "sending")
        os.kill(pid, signal.SIGTERM)
        until(lambda: instance.ops("/readyz")[0] in (0, 503))
        until(lambda: not lives(pid), 40)
    assert ending(instance, pid) == "ended with 0"
    until(instance.ready, RECOVERY_SECONDS)
    arrived_once(tenant, [notification])
