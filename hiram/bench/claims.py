"""Claims in a world made for them; a line of JSON asks, a line of JSON answers.

`{"make": {...}}` makes the world by SQL: this changes the database for good. `{"claim": 1,
"times": 25}` tells the milliseconds of each of 25 claims. `{"owe": 1000}` only adds rows.
"""

from __future__ import annotations

import json
import sys
import time
from uuid import UUID

import django
from django.db import connection

django.setup()

from delivery.claim import claim  # noqa: E402  (models need the set-up)
from notifications.accept import Owner, lane_id  # noqa: E402
from notifications.models import Lane, OutboxMessage  # noqa: E402
from tenants.models import Tenant  # noqa: E402

_HISTORY = """
INSERT INTO notifications_notification
       (id, tenant_id, content_id, mode, channel, recipient, subject, category, priority, status,
        metadata, generation, expires_at, created_at, sent_at, settled_at)
SELECT gen_random_uuid(), %s, gen_random_uuid(), 'live', 'email', 'r' || n || '@x.example', 's',
       'transactional', 'normal', 'sent', '{}', 0, now(), now(), now(), now()
  FROM generate_series(1, %s) n
"""
_LANES = """
INSERT INTO notifications_lane (id, tenant_id, mode, topic, rank)
SELECT gen_random_uuid(), gen_random_uuid(), 'live', 'email', 1 FROM generate_series(1, %s)
"""
_BACKLOG = """
INSERT INTO notifications_outboxmessage (id, tenant_id, topic, lane_id, rank, expires_at)
SELECT gen_random_uuid(), tenant_id, 'notification', id, 1, now() + interval '1 day'
  FROM notifications_lane, generate_series(1, %s)
"""
_OWE = """
INSERT INTO notifications_outboxmessage (id, tenant_id, topic, lane_id, rank, expires_at)
SELECT gen_random_uuid(), md5((mod(n, 1000))::text)::uuid, 'bench', md5((mod(n, 1000))::text)::uuid, 1,
       now() + interval '1 day'
  FROM generate_series(1, %s) n
"""


_VACUUM = (
    "VACUUM ANALYZE notifications_outboxmessage, notifications_lane, notifications_notification"
)


def execute(statement: str, *values: str | int | UUID) -> None:
    """Run, however long it takes."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(statement, values or None)


def make(settled: int, lanes: int, active: int, rows: int) -> None:
    """History, lanes without rows, and lanes with so many due rows each, one lane a tenant."""
    execute("TRUNCATE notifications_lane")
    tenants = Tenant.objects.bulk_create([Tenant(name=f"bench {n}") for n in range(active)])
    Lane.objects.bulk_create(
        Lane(
            id=lane_id(Owner(tenant.pk, "live"), "email", 1),
            tenant=tenant, mode="live", topic="email", rank=1, max_in_flight=32_000,
        )
        for tenant in tenants
    )  # fmt: skip
    execute(_BACKLOG, rows)
    execute(_LANES, lanes)
    execute(_HISTORY, tenants[0].pk, settled)
    execute(_VACUUM)


def milliseconds(rows: int) -> float:
    """That the claims of so many rows take."""
    began, taken = time.perf_counter(), 0
    while taken < rows:
        found = len(claim(rows - taken))
        if not found:
            raise SystemExit(f"only {taken} of {rows} rows were claimed")
        taken += found
    spent = time.perf_counter() - began
    if rows > 1:
        # More than a lane may have in flight for long.
        OutboxMessage.objects.filter(leased_by__isnull=False).delete()
    return spent * 1000


def owe(rows: int) -> None:
    """Owe so many rows besides what there is."""
    execute(_OWE, rows)
    execute(_VACUUM)
    # Or what these rows cost is paid in the middle of the next measure.
    execute("CHECKPOINT")


def main() -> None:
    """Do what is asked, until nothing more is."""
    for line in sys.stdin:
        asked = json.loads(line)
        told: list[float] = []
        if "make" in asked:
            make(**asked["make"])
        elif "owe" in asked:
            owe(asked["owe"])
        else:
            told = [milliseconds(asked["claim"]) for _ in range(asked["times"])]
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
