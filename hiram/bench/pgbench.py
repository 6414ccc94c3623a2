"""PostgreSQL committing the same rows with nothing around it: the ceiling of accept."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from hiram.bench.stage import BenchFailed, Stage

_SCRIPT = r"""
BEGIN;
WITH r AS (SELECT gen_random_uuid() AS id), content AS (
  INSERT INTO notifications_content (id, tenant_id, payload)
  SELECT id, '{tenant}', jsonb_build_object('subject', 'Order confirmed', 'text', repeat('x', 500))
    FROM r
), notification AS (
  INSERT INTO notifications_notification
         (id, content_id, tenant_id, mode, channel, recipient, subject, category, priority,
          status, metadata, generation, expires_at)
  SELECT id, id, '{tenant}', 'live', 'email', 'ops@tenant.example', 'Order confirmed',
         'transactional', 'normal', 'accepted', '{{}}', 0, now() + interval '3 days' FROM r
), event AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT gen_random_uuid(), '{tenant}', id, 'live', 'notification.accepted', '{{}}' FROM r
)
INSERT INTO notifications_outboxmessage (id, tenant_id, topic, lane_id, rank, expires_at)
SELECT id, '{tenant}', 'notification', '{tenant}', 1, now() + interval '3 days' FROM r;
COMMIT;
"""


def commits(stage: Stage, tenant: str, *, clients: int, seconds: int) -> tuple[float, float]:
    """How many, in how many seconds; the time to connect not counted."""
    script = stage.home.path / "accept.sql"
    script.write_text(_SCRIPT.format(tenant=tenant))
    binary = Path(stage.postgres.argv[0]).with_name("pgbench")
    done = subprocess.run(  # noqa: S603
        [
            str(binary), "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds),
            "-f", str(script), stage.postgres.url,
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if not found:
        raise BenchFailed(f"pgbench: {done.stderr[-500:]}")
    return float(found[1]) * seconds, seconds
