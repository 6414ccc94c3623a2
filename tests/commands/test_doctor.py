"""doctor, and each of its examinations against what is really broken."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from delivery.management.diagnosis import Finding, diagnose, engine, surroundings
from delivery.models import ProviderHealth
from delivery.tasks import BEAT_KEY
from hiram.lib import ids
from hiram.lib.vault import Vault
from notifications.models import Lane, OutboxMessage
from tenants.models import Provider
from tests.commands.running import CANARY, done, failed, refused
from tests.tenancy import make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.HIRAM_HOME = tmp_path
    settings.ENCRYPTION_KEYS = (Vault.new_key(),)
    cache.delete(BEAT_KEY)
    yield
    cache.delete(BEAT_KEY)


def states(examine: Callable[[], Iterator[Finding]]) -> list[tuple[str, str]]:
    return [(finding.check, finding.state) for finding in examine()]


def one(examine: Callable[[], Iterator[Finding]]) -> Finding:
    [finding] = examine()
    return finding


def provider() -> Provider:
    row = Provider(tenant=make_tenant(), channel="email", driver="smtp", name="main")
    row.seal({"password": CANARY})
    row.save()
    return row


def owe(seconds: float, reason: str | None = None) -> None:
    """A row that is due since `seconds`, in a lane of its own that waits for `reason`."""
    lane = Lane.objects.create(
        tenant_id=ids.new(), mode="live", topic="email", rank=1, reason=reason,
        paused_at=timezone.now() if reason else None,
    )  # fmt: skip
    OutboxMessage.objects.create(
        tenant_id=lane.tenant_id, topic="notification", lane_id=lane.pk, rank=1,
        due_at=timezone.now() - timedelta(seconds=seconds),
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip


def test_when_all_is_well_it_says_so() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW fsync")
        durable = cursor.fetchone() == ("on",)
    cache.set(BEAT_KEY, time.time())

    facts = done("doctor") if durable else failed("doctor")

    found = {check["check"]: check["state"] for check in facts["checks"]}
    assert facts["ok"] is durable
    assert found.pop("durability") == ("ok" if durable else "broken")
    assert found == dict.fromkeys(
        (
            "configuration", "database", "migrations", "clock", "credentials", "providers",
            "lanes", "restore_fence", "oldest_due", "redis", "beat", "broker",
        ),
        "ok",
    )  # fmt: skip


def test_what_is_broken_is_followed_by_a_remedy() -> None:
    assert refused("doctor", "--wat")
    owe(3_600)
    facts = failed("doctor")
    assert facts["ok"] is False
    broken = [check for check in facts["checks"] if check["state"] == "broken"]
    assert {"beat", "oldest_due"} <= {check["check"] for check in broken}
    assert all(check["remedy"] for check in broken)
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=out)
    lines = out.getvalue().splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("broken   oldest_due: "))
    assert lines[place + 1].startswith("         -> Start workers")


def test_durability() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    [durability] = surroundings.durability()
    assert (durability.check, durability.state) == ("durability", "broken")
    assert "synchronous_commit" in durability.detail


def test_a_missing_migration_stops_what_needs_its_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'delivery'")
    found = {finding.check: finding for finding in diagnose()}
    assert found["migrations"].state == "broken"
    assert "delivery.0001_initial" in found["migrations"].detail
    assert found["migrations"].remedy == "Run manage.py migrate."
    assert not found.keys() & {"credentials", "providers", "lanes", "oldest_due"}
    assert "clock" in found


@pytest.mark.parametrize(
    ("ahead", "state"),
    [(0, "ok"), (1.5, "ok"), (-1.5, "ok"), (30, "warning"), (-30, "warning"), (90, "broken")],
)
def test_clocks_that_differ(ahead: float, state: str) -> None:
    [finding] = surroundings.clock(lambda: time.time() + ahead)
    assert finding.state == state
    assert bool(finding.remedy) is (state != "ok")


def test_credentials_that_cannot_be_read() -> None:
    row = provider()
    assert one(engine.credentials).state == "ok"
    Provider.objects.update(sealed=b"x")
    finding = one(engine.credentials)
    assert finding.state == "broken"
    assert ids.show("prv", row.pk) in finding.detail


def test_paused_providers() -> None:
    row = provider()
    health = ProviderHealth.objects.create(provider=row, tenant=row.tenant)
    assert one(engine.paused).state == "ok"
    ProviderHealth.objects.filter(pk=health.pk).update(
        paused_at=timezone.now(), reason="bad_account"
    )
    finding = one(engine.paused)
    assert finding.state == "warning"
    assert finding.detail == f"paused: {ids.show('prv', row.pk)} (bad_account)"


def test_lanes_that_wait() -> None:
    assert one(engine.parked).state == "ok"
    for reason in ("no_provider", "provider_paused", "no_provider"):
        owe(3_600, reason)
    finding = one(engine.parked)
    assert (finding.state, finding.detail) == (
        "warning", "waiting: 2 for no_provider, 1 for provider_paused",
    )  # fmt: skip
    assert one(engine.oldest_due).detail == "nothing is due"


def test_what_is_due_for_long() -> None:
    owe(-3_600)
    assert one(engine.oldest_due).detail == "nothing is due"
    owe(30)
    assert one(engine.oldest_due).state == "ok"
    owe(90)
    finding = one(engine.oldest_due)
    assert (finding.state, finding.detail) == ("broken", "due since 90 s")


def test_a_redis_that_is_away(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://:{CANARY}@127.0.0.1:1/0"
    finding = one(surroundings.redis)
    assert finding.state == "broken"
    assert CANARY not in repr(finding)
    assert "beat" not in [check.check for check in diagnose()]


def test_a_broker_that_is_away_or_frozen(settings: Settings) -> None:
    assert states(surroundings.broker) == [("broker", "ok")]
    for scheme in ("redis", "amqp"):
        settings.CELERY_BROKER_URL = f"{scheme}://hiram:{CANARY}@127.0.0.1:1/0"
        finding = one(surroundings.broker)
        assert finding.state == "broken"
        assert CANARY not in repr(finding)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{frozen.getsockname()[1]}/0"
        begun = time.monotonic()
        assert one(surroundings.broker).state == "broken"
        assert time.monotonic() - begun < 2 * surroundings.REACH_SECONDS


def test_a_beat_that_is_not_heard() -> None:
    assert one(surroundings.beat).detail == "never heard"
    cache.set(BEAT_KEY, time.time() - 60)
    finding = one(surroundings.beat)
    assert (finding.state, finding.detail) == ("broken", "heard 60 s ago")
    cache.set(BEAT_KEY, time.time() - 2)
    assert one(surroundings.beat).state == "ok"


def test_processes_that_died(tmp_path: Path) -> None:
    assert states(surroundings.processes) == []
    run = tmp_path / "run"
    run.mkdir()
    (run / "web.pid").write_text(f"{os.getpid()}\n")
    assert one(surroundings.processes).detail == "running: web"
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait(30)
    (run / "worker.pid").write_text(f"{ended.pid}\n")
    (run / "beat.pid").write_text("")
    finding = one(surroundings.processes)
    assert (finding.state, finding.detail) == ("broken", "not running: beat, worker")


def test_encryption_keys(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = ("c2hvcnQ=",)
    [finding] = surroundings.configuration()
    assert (finding.check, finding.state) == ("encryption_keys", "broken")
    typed = ("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "A" * 43 + "=")
    for key in typed:
        settings.ENCRYPTION_KEYS = (Vault.new_key(), key)
        settings.PRODUCTION = False
        assert ("encryption_keys", "warning") in states(surroundings.configuration)
        settings.PRODUCTION = True
        assert ("encryption_keys", "broken") in states(surroundings.configuration)


def test_a_production_that_is_open(settings: Settings) -> None:
    settings.PRODUCTION = True
    settings.PUBLIC_URL = "http://hiram.example"
    settings.ALLOWED_HOSTS = ["*"]
    settings.OUTBOUND_HTTP = True
    settings.SIMULATOR_URL = "http://127.0.0.1:1"
    assert states(surroundings.configuration) == [
        ("public_url", "warning"),
        ("allowed_hosts", "warning"),
        ("outbound", "warning"),
        ("simulator", "warning"),
        ("configuration", "ok"),
    ]
    settings.PUBLIC_URL = "https://hiram.example"
    settings.ALLOWED_HOSTS = ["hiram.example"]
    settings.OUTBOUND_HTTP, settings.OUTBOUND_ALLOW = False, ()
    settings.SIMULATOR_URL = settings.SIMULATOR_SMTP = ""
    assert states(surroundings.configuration) == [("configuration", "ok")]
