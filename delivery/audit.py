"""Audit: prove, over all rows and in one snapshot, that accepted = settled + owed.

Every check names the rows that break it. It walks each table in chunks by id, so its cost is
one pass over the tables and its memory is that of one chunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from hiram.lib import ids

CHUNK_ROWS = 20_000
NAMED_MOST = 1_000
"""Broken rows that are named for one check; the rest is counted."""

_LOWEST = UUID(int=0)

NOTIFICATION_CHECKS = {
    "owed_without_outbox_row": "n.status IN ('accepted', 'scheduled', 'held') AND o.id IS NULL",
    "settled_with_outbox_row": "n.status NOT IN ('accepted', 'scheduled', 'held')"
    " AND o.id IS NOT NULL",
    "owed_without_body": "n.status IN ('accepted', 'scheduled', 'held')"
    " AND NOT EXISTS (SELECT FROM notifications_content c WHERE c.id = n.content_id)",
    "outbox_row_of_another_tenant": "o.tenant_id <> n.tenant_id",
    "sent_without_attempt": "n.sent_at IS NOT NULL AND NOT EXISTS (SELECT FROM"
    " notifications_attempt a WHERE a.subject_id = n.id"
    " AND a.outcome IN ('sent', 'shadow_would_send'))",
    "attempt_sent_but_not_notification": "n.sent_at IS NULL AND EXISTS (SELECT FROM"
    " notifications_attempt a WHERE a.subject_id = n.id"
    " AND a.outcome IN ('sent', 'shadow_would_send'))",
    "not_accepted_once": "1 <> (SELECT count(*) FROM notifications_event e"
    " WHERE e.notification_id = n.id AND e.type = 'notification.accepted')",
    "failed_without_dead_letter": "n.status = 'failed' AND NOT EXISTS (SELECT FROM"
    " notifications_deadletter d WHERE d.tenant_id = n.tenant_id"
    " AND d.notification_id = n.id AND d.closed_at IS NULL)",
    "reported_but_not_sent": "n.status IN ('bounced', 'complained') AND n.sent_at IS NULL",
    "delivered_without_time": "n.status = 'delivered' AND n.delivered_at IS NULL",
    "row_of_another_tenant": "EXISTS (SELECT FROM notifications_attempt a"
    " WHERE a.subject_id = n.id AND a.tenant_id <> n.tenant_id) OR EXISTS (SELECT FROM"
    " notifications_event e WHERE e.notification_id = n.id AND e.tenant_id <> n.tenant_id)",
}

OUTBOX_CHECKS = {
    "outbox_row_of_nothing": "NOT EXISTS (SELECT FROM notifications_notification n"
    " WHERE n.id = o.id) AND NOT EXISTS (SELECT FROM notifications_webhookdelivery w"
    " WHERE w.id = o.id)",
    "outbox_row_without_lane": "NOT EXISTS (SELECT FROM notifications_lane l"
    " WHERE l.id = o.lane_id AND l.tenant_id = o.tenant_id AND l.rank = o.rank)",
}

WEBHOOK_CHECKS = {
    "webhook_owed_without_outbox_row": "w.status = 'accepted' AND o.id IS NULL",
    "webhook_settled_with_outbox_row": "w.status <> 'accepted' AND o.id IS NOT NULL",
    "webhook_row_of_another_tenant": "o.tenant_id <> w.tenant_id OR EXISTS (SELECT FROM"
    " notifications_event e WHERE e.id = w.event_id AND e.tenant_id <> w.tenant_id)",
    "webhook_sent_without_attempt": "w.status = 'sent' AND NOT EXISTS (SELECT FROM"
    " notifications_attempt a WHERE a.subject_id = w.id AND a.outcome = 'sent')",
    "webhook_failed_without_dead_letter": "w.status = 'failed' AND NOT EXISTS (SELECT FROM"
    " notifications_deadletter d WHERE d.tenant_id = w.tenant_id"
    " AND d.notification_id = w.id AND d.closed_at IS NULL)",
}

ATTEMPT_CHECKS = {
    "attempt_of_nothing": "NOT EXISTS (SELECT FROM notifications_notification n"
    " WHERE n.id = a.subject_id) AND NOT EXISTS (SELECT FROM notifications_webhookdelivery w"
    " WHERE w.id = a.subject_id)",
    "attempt_open_without_lease": "a.outcome = 'started' AND a.started_at < now() -"
    " interval '10 minutes' AND NOT EXISTS (SELECT FROM notifications_outboxmessage o"
    " WHERE o.id = a.subject_id AND o.fence = a.fence AND o.due_at > now())",
}

RECEIPT_CHECKS = {
    "receipt_applied_to_anothers_attempt": "r.applied_at IS NOT NULL AND EXISTS (SELECT FROM"
    " notifications_attempt a WHERE a.id = r.attempt_id"
    " AND a.provider_id IS DISTINCT FROM r.provider_id)",
    "receipt_of_a_call_that_is_still_in_doubt": "r.applied_at IS NOT NULL"
    " AND r.kind <> 'rejected' AND EXISTS (SELECT FROM notifications_attempt a"
    " WHERE a.id = r.attempt_id AND a.outcome IN ('unknown', 'abandoned') AND NOT a.shadow)",
}

WALKS = (
    (
        "ntf",
        "n",
        "notifications_notification n LEFT JOIN notifications_outboxmessage o ON o.id = n.id",
        NOTIFICATION_CHECKS,
    ),
    (
        "whd",
        "w",
        "notifications_webhookdelivery w LEFT JOIN notifications_outboxmessage o ON o.id = w.id",
        WEBHOOK_CHECKS,
    ),
    ("ntf", "o", "notifications_outboxmessage o", OUTBOX_CHECKS),
    ("att", "a", "notifications_attempt a", ATTEMPT_CHECKS),
    ("rct", "r", "delivery_receipt r", RECEIPT_CHECKS),
)
"""For each table: the prefix its ids are shown with, its alias, what is read, the checks."""


@dataclass
class Balance:
    """One tenant's account in one channel."""

    tenant: str
    channel: str
    accepted: int
    terminal: int
    owed: int


@dataclass
class Report:
    """What the audit found."""

    balances: list[Balance] = field(default_factory=list)
    broken: list[dict[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def note(self, check: str, prefix: str, rows: list[tuple[UUID, UUID]]) -> None:
        """Add the rows that a check found broken."""
        room = max(0, NAMED_MOST - self.counts[check])
        self.counts[check] += len(rows)
        self.broken += [
            {"check": check, "id": ids.show(prefix, row), "tenant": ids.show("tnt", tenant)}
            for row, tenant in rows[:room]
        ]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "accepted": sum(b.accepted for b in self.balances),
            "terminal": sum(b.terminal for b in self.balances),
            "owed": sum(b.owed for b in self.balances),
            "broken": self.broken,
            "broken_counts": {check: n for check, n in self.counts.items() if n},
            "balances": [vars(b) for b in self.balances],
        }


def audit() -> Report:
    """Check everything, reading only, in one snapshot."""
    report = Report()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        report.balances = list(_balances(cursor))
        for prefix, alias, tables, checks in WALKS:
            for chunk in _chunks(cursor, tables.split()[0]):
                for name, condition in checks.items():
                    cursor.execute(
                        f"SELECT {alias}.id, {alias}.tenant_id FROM {tables}"
                        f" WHERE {alias}.id > %s AND {alias}.id <= %s AND ({condition})",
                        chunk,
                    )
                    report.note(name, prefix, cursor.fetchall())
        for b in report.balances:
            if b.accepted != b.terminal + b.owed:
                report.counts["balance"] += 1
                report.broken.append({"check": "balance", "id": b.channel, "tenant": b.tenant})
    return report


def _balances(cursor: Any) -> Iterator[Balance]:
    """Terminal is counted by the notifications, owed by the outbox rows: two witnesses."""
    cursor.execute("""
        SELECT n.tenant_id, n.channel, count(*),
               count(n.settled_at), count(o.id)
          FROM notifications_notification n
          LEFT JOIN notifications_outboxmessage o ON o.id = n.id
         GROUP BY n.tenant_id, n.channel
         UNION ALL
        SELECT w.tenant_id, 'webhook', count(*), count(w.settled_at), count(o.id)
          FROM notifications_webhookdelivery w
          LEFT JOIN notifications_outboxmessage o ON o.id = w.id
         GROUP BY w.tenant_id ORDER BY 1, 2""")
    for tenant_id, channel, accepted, terminal, owed in cursor.fetchall():
        yield Balance(ids.show("tnt", tenant_id), channel, accepted, terminal, owed)


def _chunks(cursor: Any, table: str) -> Iterator[tuple[UUID, UUID]]:
    low = _LOWEST
    while True:
        cursor.execute(
            f"SELECT max(id::text)::uuid FROM (SELECT id FROM {table} WHERE id > %s"
            " ORDER BY id LIMIT %s) c",
            [low, CHUNK_ROWS],
        )
        (high,) = cursor.fetchone()
        if high is None:
            return
        yield low, high
        low = high
