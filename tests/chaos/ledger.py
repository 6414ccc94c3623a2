"""The verdict, over three witnesses: the customers' journal, the database, the mailbox."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import requests

from hiram.lib import ids
from tests.chaos.load import Posted, made
from tests.chaos.story import Story
from tests.street.instance import Instance
from tests.street.tenant import Tenant

REPEATED = 50

_ROWS = """
SELECT n.id, concat_ws(' ', n.status, n.reason), n.recipient, n.tenant_id,
       (SELECT count(*) FROM notifications_attempt a
         WHERE a.subject_id = n.id AND a.outcome IN ('sent', 'unknown', 'abandoned')),
       (SELECT count(*) FROM notifications_attempt a
         WHERE a.subject_id = n.id AND a.outcome = 'started')
  FROM notifications_notification n
"""


_HAPPENED = """
SELECT notification_id, replace(type, 'notification.', ''), count(*) FROM notifications_event
 WHERE notification_id IS NOT NULL AND type <> 'notification.attempted' GROUP BY 1, 2
"""
_WAITING = "SELECT count(*) FROM delivery_receipt WHERE applied_at IS NULL"


@dataclass(frozen=True)
class Row:
    """What the database says of a notification; `maybe_sent` attempts may have taken effect."""

    status: str
    recipient: str
    tenant: str
    maybe_sent: int
    started: int


@dataclass
class Ledger:
    """What was promised and what became of it; each finding is a sentence.

    All are `sent`, but for those with a story that a provider told of them.
    """

    instance: Instance
    journal: Sequence[Posted]
    stories: Mapping[str, Story] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    arrivals: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Look at everything."""
        self._promised: dict[str, tuple[Tenant, str]] = {
            shown: (posted.tenant, recipient)
            for posted in self.journal
            for shown, recipient in zip(posted.ids, posted.recipients, strict=True)
        }
        self._rows = self._read_rows()
        self._check_promises()
        self._check_reports()
        self._check_arrivals()
        self._check_audit()
        self._check_repeats()

    @property
    def accepted(self) -> int:
        """How many notifications were promised."""
        return len(self._promised)

    @property
    def duplicates(self) -> int:
        """How many arrivals there were beyond one for each notification."""
        return self.arrivals.total() - len(self.arrivals)

    def _find(self, what: str, examples: Sequence[object]) -> None:
        if examples:
            self.findings.append(f"{what}: {len(examples)}, such as {list(examples[:3])}")

    def _read_rows(self) -> dict[str, Row]:
        with self.instance.database() as database:
            return {
                ids.show("ntf", key): Row(status, recipient, ids.show("tnt", tenant), *counts)
                for key, status, recipient, tenant, *counts in database.execute(_ROWS)
            }

    def _check_promises(self) -> None:
        promised, rows = self._promised, self._rows
        self._find("promised, but not there", [key for key in promised if key not in rows])
        self._find("there, but never promised", [key for key in rows if key not in promised])
        ends = {key: story.end for key, story in self.stories.items()}
        other = [(k, r.status) for k, r in rows.items() if r.status != ends.get(k, "sent")]
        self._find("not sent, or not as was reported", other)
        self._find("an attempt is still open", [k for k, row in rows.items() if row.started])
        wrong = [
            key
            for key, (tenant, recipient) in promised.items()
            if key in rows and (rows[key].tenant, rows[key].recipient) != (tenant.id, recipient)
        ]
        self._find("another tenant's or recipient's", wrong)
        twice = Counter(row.recipient for row in rows.values())
        self._find("accepted twice", [who for who, count in twice.items() if count > 1])

    def _check_reports(self) -> None:
        """Each is in force, once; here nothing but attempts happens twice to a notification."""
        with self.instance.database() as database:
            counts = {
                (ids.show("ntf", key), kind): count
                for key, kind, count in database.execute(_HAPPENED)
            }
            [[waiting]] = database.execute(_WAITING).fetchall()
        self._find("happened twice", [found for found, count in counts.items() if count > 1])
        told = [(key, kind) for key, story in self.stories.items() for kind in story.events]
        self._find("reported, but no event", [one for one in told if one not in counts])
        if waiting:
            self.findings.append(f"{waiting} receipts are not applied")

    def _check_arrivals(self) -> None:
        crossed, excess = [], []
        for mail in self.instance.mailbox.messages():
            self.arrivals[mail["key"]] += 1
            tenant, recipient = self._promised.get(mail["key"], (None, None))
            if not tenant or (mail["sender"], mail["recipients"]) != (tenant.sender, [recipient]):
                crossed.append((mail["key"], mail["sender"], mail["recipients"]))
        self._find("arrived, but nobody asked for it so", crossed)
        self._find("sent, but never arrived", [k for k in self._rows if k not in self.arrivals])
        excess = [
            (key, count, self._rows[key].maybe_sent)
            for key, count in self.arrivals.items()
            if key in self._rows and count > self._rows[key].maybe_sent
        ]
        self._find("arrived more often than its attempts admit", excess)

    def _check_audit(self) -> None:
        done = self.instance.manage("audit", "--json")
        facts = json.loads(done.stdout)
        if done.returncode or facts["broken"]:
            self.findings.append(f"the audit found: {facts['broken_counts']}")
        if facts["owed"] or facts["accepted"] != facts["terminal"] + facts["owed"]:
            self.findings.append(f"the books do not balance: {done.stdout[:500]}")
        counted = sum(b["accepted"] for b in facts["balances"] if b["channel"] != "webhook")
        if counted != self.accepted:
            self.findings.append(f"the audit counts {counted}, not {self.accepted}")

    def _check_repeats(self) -> None:
        """What was repeated because an answer did not come, and some more, once more."""
        repeated = [posted for posted in self.journal if posted.tries > 1]
        others = [posted for posted in self.journal if posted.tries == 1][:REPEATED]
        wrong = []
        with requests.Session() as session:
            for posted in repeated + others:
                answer = posted.again(session)
                told = answer.headers.get("Idempotency-Replayed")
                if told != "true" or made(answer) != posted.ids:
                    wrong.append((posted.key, answer.status_code, posted.ids[:1]))
        self._find("a repeated request was another one", wrong)
