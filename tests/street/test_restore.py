"""A backup that was restored: the real processes send nothing from it until somebody says so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from hiram.embedded.environment import ROOT
from hiram.embedded.postgres import Postgres
from tests.embedded.waiting import lives, until
from tests.street.instance import Instance
from tests.street.tenant import Tenant

pytestmark = pytest.mark.xdist_group("street")

CP = str(shutil.which("cp"))
SECONDS = 90
OWED = 30
LOOKS = 6

_LOOKS = """
SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables
 WHERE relname = 'notifications_restorefence'
"""


@pytest.fixture
def owing() -> Iterator[Tenant]:
    """A tenant whose instance was cut off in the midst of its calls."""
    original = Instance()
    with original:
        tenant = original.tenant()
        tenant.provider()
        slow = {"target": "smtp", "kind": "slow", "seconds": 10}
        with original.mailbox.ordered(**slow):
            body = {"notifications": [tenant.letter(f"n{number}") for number in range(OWED)]}
            assert tenant.ask("POST", "/v1/notifications/batch", body).status_code == 202
            until(lambda: "sending" in json.dumps(listed(tenant)), SECONDS)
            original.crash()
        yield tenant


def dead(pid: int) -> bool:
    return not lives(pid)


def listed(tenant: Tenant) -> list[dict[str, str]]:
    return list(tenant.ask("GET", "/v1/notifications?limit=100").json()["data"])


def copied(original: Instance) -> Instance:
    """An instance, not started yet, with what the other's home keeps."""
    copy = Instance()
    for name in ("postgres", "secrets.json", "ports.json", "demo.json", "environment.json"):
        # With owners: PostgreSQL may run as another user.
        words = ["-a", str(original.home.path / name), str(copy.home.path)]
        subprocess.run([CP, *words], check=True)
    return copy


def raised(copy: Instance) -> dict[str, object]:
    """What the command says, with nothing but PostgreSQL there."""
    server = Postgres(copy.home.path)
    server.start()
    try:
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "restore_fence", "--json"],
            env=copy.env | {"DATABASE_URL": server.url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def look(copy: Instance) -> None:
    """Let the workers look whether something is due, often."""
    with copy.database() as database:

        def looks() -> int:
            [[count]] = database.execute(_LOOKS).fetchall()
            return int(count)

        before = looks()
        until(lambda: looks() >= before + LOOKS, SECONDS)


def test_a_copy_sends_nothing_until_it_is_released(owing):
    up = raised(copy := copied(owing.instance))
    assert (up["up"], up["owed"]) == (True, OWED)
    assert up["abandoned"], "no call was open: nothing was tried"
    with copy:
        tenant = replace(owing, instance=copy)
        status, body = copy.ops("/readyz")
        assert status == 200
        assert "restore_fence" in json.loads(body)["degraded"]
        answer = tenant.post(tenant.letter("late"))
        assert answer.status_code == 202
        look(copy)
        for name in ("worker", "relay", "beat"):
            pid = copy.pid(name)
            os.kill(pid, signal.SIGKILL)
            until(partial(dead, pid))
        look(copy)
        assert {(row["status"], row["reason"]) for row in listed(tenant)} == {
            ("accepted", "restored")
        }
        assert copy.mailbox.arrivals() == []
        assert copy.owed(hasten=True) == OWED + 1
        look(copy)
        assert copy.mailbox.arrivals() == []

        assert copy.ask("restore_fence", "--release")["released"] is True
        until(lambda: copy.owed(hasten=True) == 0, SECONDS)
        made = {row["id"] for row in listed(tenant)}
        assert Counter(a["key"] for a in copy.mailbox.arrivals()) == Counter(made)
        assert len(made) == OWED + 1
        assert copy.ask("audit")["broken"] == []
        until(copy.ready, SECONDS)
