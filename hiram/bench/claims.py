"""How long a claim takes as history and lanes grow; prints medians in milliseconds as JSON.

The rows are put there by SQL and left to the last: this changes the database for good.
"""

from __future__ import annotations

import json
import statistics
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

CLAIMS = 500
ROWS, ROUNDS = 500, 20

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
SELECT gen_random_uuid(), %s, 'notification', %s, 1, now() + interval '1 day'
  FROM generate_series(1, %s)
"""


_OWE = """
INSERT INTO notifications_outboxmessage (id, tenant_id, topic, lane_id, rank, expires_at)
SELECT gen_random_uuid(), md5((mod(n, 1000))::text)::uuid, 'bench', md5((mod(n, 1000))::text)::uuid, 1,
       now() + interval '1 day'
  FROM generate_series(1, %s) n
"""


def execute(statement: str, *values: str | int | UUID) -> None:
    """Run, however long it takes."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(statement, values or None)


def backlog(tenants: int, rows: int) -> None:
    """Give each of some tenants one lane with due rows, and remove all other debt."""
    execute("TRUNCATE notifications_outboxmessage")
    Lane.objects.all().delete()
    for number in range(tenants):
        tenant, _ = Tenant.objects.get_or_create(name=f"bench {number}")
        lane = lane_id(Owner(tenant.pk, "live"), "email", 1)
        Lane.objects.create(
            id=lane, tenant=tenant, mode="live", topic="email", rank=1, max_in_flight=32_000
        )
        execute(_BACKLOG, tenant.pk, lane, rows)


def median_milliseconds() -> float:
    """Of one claim of one row."""
    execute("VACUUM ANALYZE notifications_outboxmessage, notifications_lane")
    for _ in range(50):
        claim(1)
    taken = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        if len(claim(1)) != 1:
            raise SystemExit("nothing was claimed")
        taken.append(time.perf_counter() - began)
    OutboxMessage.objects.filter(leased_by__isnull=False).delete()
    return statistics.median(taken) * 1000


def claim_500_milliseconds() -> float:
    """Of the claims that 500 rows take."""
    execute("VACUUM ANALYZE notifications_outboxmessage, notifications_lane")
    taken = []
    for _ in range(ROUNDS):
        began, rows = time.perf_counter(), 0
        while rows < ROWS:
            found = len(claim(ROWS - rows))
            if not found:
                raise SystemExit(f"only {rows} of {ROWS} rows were claimed")
            rows += found
        taken.append(time.perf_counter() - began)
        OutboxMessage.objects.filter(leased_by__isnull=False).delete()
    return statistics.median(taken) * 1000


def owe(rows: int) -> dict[str, int]:
    """Owe so many rows besides what there is; 0 takes them back."""
    if rows:
        execute(_OWE, rows)
    else:
        execute("DELETE FROM notifications_outboxmessage WHERE topic = 'bench'")
    execute("VACUUM ANALYZE notifications_outboxmessage")
    # Or what these rows cost is paid in the middle of the next measure.
    execute("CHECKPOINT")
    return {"owed": rows}


def main() -> None:
    """Small and large, in turn."""
    asked = json.load(sys.stdin)
    print(json.dumps(measured() if asked is None else owe(asked["owe"])))


def measured() -> dict[str, float]:
    """All of it."""
    tenant, _ = Tenant.objects.get_or_create(name="bench history")
    execute("TRUNCATE notifications_notification")
    execute(_HISTORY, tenant.pk, 10_000)
    backlog(10, 1_000)
    found = {"history_10k": median_milliseconds(), "lanes_10": 0.0}
    found["lanes_10"] = median_milliseconds()
    execute(_LANES, 100_000)
    found["lanes_100k"] = median_milliseconds()
    execute(_HISTORY, tenant.pk, 990_000)
    backlog(10, 1_000)
    found["history_1m"] = median_milliseconds()
    backlog(1, ROWS * (ROUNDS + 1))
    found["of_one"] = claim_500_milliseconds()
    backlog(1_000, ROUNDS + 5)
    found["over_1000"] = claim_500_milliseconds()
    return found


if __name__ == "__main__":
    main()
