"""/metrics: what all processes counted, and what the database says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from delivery.models import ProviderHealth
from hiram.lib import ids
from hiram.ops.totals import Totals, tidy
from hiram.telemetry.metrics import HOST
from notifications.models import Lane, OutboxMessage
from tenants.models import Provider, Tenant
from tests.embedded.waiting import until
from tests.ops.conftest import Port, serving

COUNTS = """
import sys
from hiram.telemetry import metrics
for _ in range({times}):
    metrics.accepted("email", "live", 2)
    metrics.settled("sent", "email")
    metrics.attempted("smtp", "sent", 0.03)
    metrics.attempted("smtp", "refused", 7)
metrics.claimed(5)
print("counted", flush=True)
sys.stdin.read()
"""


class Counter:
    """A process that counts, and lives until it is let go or killed."""

    def __init__(self, folder: Path, times: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", COUNTS.format(times=times)],
            env=os.environ
            | {
                "PROMETHEUS_MULTIPROC_DIR": str(folder),
                "DJANGO_SETTINGS_MODULE": "hiram.settings",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"counted\n"
        self.pid = self._process.pid

    def end(self, by: int = 0) -> None:
        if by:
            self._process.send_signal(by)
        self._process.communicate()


def totals(folder: Path) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in Totals(folder).collect()
        for sample in metric.samples
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("*.db")}


EXPECTED = {
    ("hiram_accepted_total", "email", "live"): 10,
    ("hiram_settled_total", "email", "sent"): 5,
    ("hiram_attempts_total", "smtp", "sent"): 5,
    ("hiram_attempts_total", "smtp", "refused"): 5,
    ("hiram_claims_total",): 10,
    ("hiram_leases_lost_total",): 0,
    ("hiram_log_dropped_total",): 0,
    ("hiram_send_duration_seconds_count", "smtp"): 10,
    ("hiram_send_duration_seconds_bucket", "smtp", "0.05"): 5,
    ("hiram_send_duration_seconds_bucket", "smtp", "5.0"): 5,
    ("hiram_send_duration_seconds_bucket", "smtp", "10.0"): 10,
    ("hiram_send_duration_seconds_bucket", "smtp", "+Inf"): 10,
}


def test_the_dead_still_count_and_their_files_go(folder: Path) -> None:
    first, second = Counter(folder, 2), Counter(folder, 3)
    try:
        living = totals(folder)
        assert EXPECTED.items() <= living.items()
        assert living[("hiram_send_duration_seconds_sum", "smtp")] == pytest.approx(35.15)
        names = {f"{kind}_{HOST}-{c.pid}.db" for kind in _KINDS for c in (first, second)}
        assert files(folder) == names
        first.end(by=signal.SIGKILL)
        assert totals(folder) == living
        assert files(folder) == {
            *(f"{kind}_{HOST}-{second.pid}.db" for kind in _KINDS),
            *(f"{kind}_{HOST}-0.db" for kind in _KINDS),
        }
    finally:
        second.end()
    assert totals(folder) == living
    assert files(folder) == {f"{kind}_{HOST}-0.db" for kind in _KINDS}
    tidy(folder)
    assert totals(folder) == living


_KINDS = ("counter", "histogram")


def test_another_hosts_files_are_counted_and_left_alone(folder: Path) -> None:
    Counter(folder, 1).end()
    tidy(folder)
    ours = folder / f"counter_{HOST}-0.db"
    ours.rename(folder / "counter_elsewhere-1.db")
    (folder / f"histogram_{HOST}-0.db").unlink()
    assert totals(folder)[("hiram_claims_total",)] == 5
    assert files(folder) == {"counter_elsewhere-1.db"}


@pytest.mark.parametrize("rest", [b"", b"\x01", b"\xff\xff\xff\x7f" + b"junk" * 20])
def test_half_a_file_hides_nobody_elses_numbers(folder: Path, rest: bytes) -> None:
    counter = Counter(folder, 1)
    try:
        (folder / "counter_elsewhere-7.db").write_bytes(rest)
        (folder / f"histogram_{HOST}-4194305.db").write_bytes(rest)  # no such process can be
        assert totals(folder)[("hiram_claims_total",)] == 5
        assert not (folder / f"histogram_{HOST}-4194305.db").exists()
    finally:
        counter.end()


def test_an_empty_folder(folder: Path) -> None:
    assert totals(folder) == {}


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    return Tenant.objects.create(name="Canary and Sons")


def lane(tenant: Tenant, topic: str, rank: int, *, reason: str | None = None) -> Lane:
    return Lane.objects.create(
        id=ids.new(),
        tenant=tenant,
        mode="live",
        topic=topic,
        rank=rank,
        reason=reason,
        paused_at=timezone.now() if reason else None,
    )


def owe(lane: Lane, *due_seconds: float) -> None:
    """Rows of the lane that become due in so many seconds."""
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            id=ids.new(),
            tenant_id=lane.tenant_id,
            topic="notification",
            lane_id=lane.pk,
            rank=lane.rank,
            due_at=timezone.now() + timedelta(seconds=seconds),
            expires_at=timezone.now() + timedelta(days=1),
        )
        for seconds in due_seconds
    )


def provider(tenant: Tenant) -> Provider:
    name = str(ids.new())
    return Provider.objects.create(tenant=tenant, name=name, channel="email", driver="smtp")


@pytest.fixture
def owed(tenant: Tenant) -> None:
    owe(lane(tenant, "email", 0), -5, -60, 30)
    owe(lane(tenant, "email", 1), 20)
    owe(lane(Tenant.objects.create(name="Other"), "email", 0), -600)
    owe(lane(tenant, "sms", 2), -1)
    owe(lane(tenant, "sms", 0, reason="no_provider"), -9_000)
    owe(lane(tenant, "sms", 1, reason="somebody's own words"))
    ProviderHealth.objects.create(
        tenant=tenant,
        provider=provider(tenant),
        paused_at=timezone.now(),
        reason="auth",
    )
    ProviderHealth.objects.create(
        tenant=tenant,
        provider=provider(tenant),
        open_until=timezone.now() + timedelta(minutes=1),
    )
    ProviderHealth.objects.create(
        tenant=tenant,
        provider=provider(tenant),
        open_until=timezone.now() - timedelta(minutes=1),
    )


def test_gauges_are_read_from_the_database(owed: None, port: Port) -> None:
    said = port.ask("/metrics")
    seen = {key: v for key, v in said.samples().items() if key[0].startswith("hiram_")}
    ages = {key[1:]: v for key, v in seen.items() if key[0] == "hiram_oldest_due_age_seconds"}
    assert ages.keys() == {("high", "email"), ("bulk", "sms")}
    assert 600 <= ages[("high", "email")] < 630
    assert 1 <= ages[("bulk", "sms")] < 30
    assert {
        ("hiram_database_up",): 1,
        ("hiram_backlog", "high"): 5,
        ("hiram_backlog", "normal"): 1,
        ("hiram_backlog", "bulk"): 1,
        ("hiram_lanes_paused", "no_provider"): 1,
        ("hiram_lanes_paused", "other"): 1,
        ("hiram_providers_paused",): 1,
        ("hiram_breakers_open",): 1,
    }.items() <= seen.items()
    assert seen[("hiram_outbox_dead_tuples",)] >= 0
    assert seen[("hiram_snapshot_age_transactions",)] >= 0
    assert "somebody" not in said.body.decode()


def test_no_tenant_is_named(owed: None, tenant: Tenant, port: Port) -> None:
    text = port.ask("/metrics").body.decode()
    assert tenant.name not in text
    assert str(tenant.pk) not in text
    assert ids.show("tnt", tenant.pk) not in text


def test_an_idle_engine(database: None, port: Port) -> None:
    seen = port.ask("/metrics").samples()
    assert not [key for key in seen if key[0] == "hiram_oldest_due_age_seconds"]
    assert seen[("hiram_backlog", "high")] == 0
    assert seen[("hiram_breakers_open",)] == 0


def test_what_cannot_be_read_is_left_out(database: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE delivery_providerhealth RENAME TO put_away")
        try:
            with serving() as port:
                seen = port.ask("/metrics").samples()
        finally:
            cursor.execute("ALTER TABLE put_away RENAME TO delivery_providerhealth")
    assert seen[("hiram_database_up",)] == 1
    assert ("hiram_breakers_open",) not in seen
    assert seen[("hiram_backlog", "high")] == 0


def test_a_locked_outbox_delays_little(database: None) -> None:
    with serving() as port:
        assert port.ask("/metrics").samples()[("hiram_database_up",)] == 1
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE notifications_outboxmessage IN ACCESS EXCLUSIVE MODE")
            try:
                until(
                    lambda: ("hiram_backlog", "high") not in port.ask("/metrics").samples(),
                )
                said = port.ask("/metrics")
            finally:
                cursor.execute("ROLLBACK")
    assert said.status == 200
    assert said.seconds < 3


def test_of_many_rows_no_more_are_counted_than_it_says(tenant: Tenant) -> None:
    full = lane(tenant, "email", 2)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notifications_outboxmessage"
            " (id, tenant_id, topic, lane_id, rank, due_at, expires_at, tries, claims)"
            " SELECT gen_random_uuid(), %s, 'notification', %s, 2, now(), now(), 0, 0"
            " FROM generate_series(1, 110000)",
            [tenant.pk, full.pk],
        )
        cursor.execute("ANALYZE notifications_outboxmessage")
    with serving() as port:
        said = port.ask("/metrics")
    assert said.samples()[("hiram_backlog", "bulk")] == 100_000
    assert ("hiram_oldest_due_age_seconds", "bulk", "email") in said.samples()
