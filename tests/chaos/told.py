"""The verdict over webhooks, over two witnesses: the database, and those who were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hiram.lib import ids
from tests.chaos.sink import Sink
from tests.street.instance import Instance

_OWED = """
SELECT e.id, w.tenant_id, coalesce(d.status, 'never owed'),
       (SELECT count(*) FROM notifications_attempt a
         WHERE a.subject_id = d.id AND a.outcome IN ('sent', 'unknown', 'abandoned'))
  FROM notifications_event e JOIN notifications_webhookendpoint w USING (tenant_id, mode)
  LEFT JOIN notifications_webhookdelivery d ON d.endpoint_id = w.id AND d.event_id = e.id
"""


@dataclass
class Told:
    """Whether every event was told to its tenant, and to nobody else; findings are sentences."""

    instance: Instance
    sinks: Sequence[Sink]
    findings: list[str] = field(default_factory=list)
    events: int = 0
    posts: int = 0
    duplicates: int = 0

    def __post_init__(self) -> None:
        """Look at everything."""
        with self.instance.database() as database:
            rows = [
                (ids.show("evt", event), ids.show("tnt", tenant), status, posts)
                for event, tenant, status, posts in database.execute(_OWED)
            ]
        self.events = len(rows)
        came = {sink.tenant.id: sink.arrivals for sink in self.sinks}
        self._find(
            "events not told", [(e, status) for e, _, status, _ in rows if status != "sent"]
        )
        self._find("told, but never came", [e for e, who, *_ in rows if not came[who][e]])
        excess = [
            (event, came[who][event], posts)
            for event, who, _, posts in rows
            if came[who][event] > posts
        ]
        self._find("came more often than its posts admit", excess)
        known = Counter(who for _, who, *_ in rows)
        strange = [who for who, events in came.items() if len(events) != known[who]]
        self._find("told of what is not theirs", strange)
        self.posts = sum(events.total() for events in came.values())
        self.duplicates = self.posts - sum(len(events) for events in came.values())

    def _find(self, what: str, examples: Sequence[object]) -> None:
        if examples:
            self.findings.append(f"webhooks: {what}: {len(examples)}, such as {examples[:3]}")
