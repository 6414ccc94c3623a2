"""Receipts: a provider's reports, one to a call, taken in while they are applied."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hiram.bench.measures import Measure, Tenancy, at_least, who_uuid
from hiram.bench.measures import tenancy as tenancy_of
from hiram.bench.stage import Stage

SENT = 8_000
PER_SECOND, CONNECTIONS = 800, 16
WARM_UP = 400
SETTLED_SECONDS = 60
MOST_MILLISECONDS = 50

# What was sent through the provider, each with the vendor's own name of the message.
_SENT = """
import sys
from django.db import connection
from hiram.lib import ids
tenant, provider, count = sys.stdin.read().split()
rows = [(ids.new(), ids.new(), number) for number in range(int(count))]
keys, attempts, numbers = zip(*rows)
values = [tenant, provider, list(keys), list(attempts), list(numbers)]
with connection.cursor() as cursor:
    cursor.execute('''
WITH x AS (
  SELECT %s::uuid AS tenant, %s::uuid AS provider, x.* FROM unnest(%s::uuid[], %s::uuid[], %s::int[])
         AS x(id, attempt_id, number)
), content AS (
  INSERT INTO notifications_content (id, tenant_id, payload) SELECT id, tenant, '{}' FROM x
), notification AS (
  INSERT INTO notifications_notification
         (id, content_id, tenant_id, mode, channel, recipient, subject, category, priority, status,
          metadata, generation, sent_at, settled_at, expires_at, provider_id)
  SELECT id, id, tenant, 'live', 'email', 'ops@tenant.example', '', 'transactional', 'normal',
         'sent', '{}', 0, now(), now(), now() + interval '1 day', provider FROM x
)
INSERT INTO notifications_attempt
       (id, tenant_id, subject_id, number, fence, worker, outcome, started_at, finished_at,
        provider_id, provider_name, driver, provider_message_id, shadow)
SELECT attempt_id, tenant, id, 1, 1, 'bench', 'sent', now(), now(), provider,
       'postmark', 'postmark', 'm-' || number, false FROM x''', values)
"""
_DELIVERED = (
    "from notifications.models import Notification as n;"
    " print(n.objects.filter(tenant_id={tenant!r}, status='delivered').count())"
)


def receipts(stage: Stage) -> Iterator[Measure]:
    """Reports of delivery at a steady rate, and whether all were applied."""
    who = tenancy_of(stage, 1)
    url = _provider(stage, who)
    bodies = [
        {
            "RecordType": "Delivery", "MessageID": f"m-{number}", "Recipient": "ops@tenant.example",
            "DeliveredAt": "2026-01-01T00:00:00Z", "Details": "250 OK", "Metadata": {},
        }
        for number in range(SENT)
    ]  # fmt: skip
    asked = {"url": stage.url, "key": "-", "path": url, "connections": CONNECTIONS}
    with stage.running("web", "relay", "worker", "beat"):
        stage.measure("load", asked | {"bodies": bodies[:WARM_UP], "per_second": PER_SECOND / 4})
        told = stage.measure("load", asked | {"bodies": bodies, "per_second": PER_SECOND})
        code = _DELIVERED.format(tenant=who_uuid(stage, who))

        def delivered() -> int:
            return int(stage.manage("shell", "-v", "0", "-c", code))

        stage.wait_for(lambda: delivered() == SENT, "receipts to be applied", SETTLED_SECONDS)
    yield at_least("receipts taken in", told["per_second"], "/s", ("wanted", PER_SECOND), 0.98)
    yield Measure(
        "receipts, p99 of their answers", told["p99_ms"], "ms", "p50", told["p50_ms"],
        told["p99_ms"] / told["p50_ms"], MOST_MILLISECONDS, told["p99_ms"] <= MOST_MILLISECONDS,
    )  # fmt: skip


def _provider(stage: Stage, who: Tenancy) -> str:
    """The path that a provider's vendor calls; that provider has sent what is reported on."""
    stage.manage(
        "set_provider", who.tenant_id, "--driver", "postmark", "--name", "postmark",
        "--set", "from_email=b@bench.example", "--secret", "server_token=t",
    )  # fmt: skip
    code = (
        "from tenants.models import Provider; from delivery.accounts import reports_to;"
        f" p = Provider.objects.get(tenant_id={who_uuid(stage, who)!r}, name='postmark');"
        " import json; print(json.dumps([str(p.pk), reports_to(p)]))"
    )
    provider, url = json.loads(stage.manage("shell", "-v", "0", "-c", code))
    given = f"{who_uuid(stage, who)} {provider} {SENT}"
    stage.python("-c", "import django; django.setup()\n" + _SENT, given=given)
    path: str = url[url.index("/callbacks/") :]
    return path
