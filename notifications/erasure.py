"""Erasure: nothing personal of a user is left, anywhere.

What is owed to the user and has not left is canceled. What is in a provider's hands at this moment
cannot be called back: it is blanked, expires instead of being tried again, and is blanked once more
when nobody can be at work on it any longer. Then the erasure is complete.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from hiram.lib import ids
from notifications.accept import Owner
from notifications.cancel import stop
from notifications.models import Erasure, Mode, OutboxMessage, Preference, Subscriber
from notifications.states import State
from notifications.suppression import digest, normalised
from tenants.models import SenderConfig
from tenants.models.provider import vault

BATCH = 500

_MINE = """
SELECT id, channel, recipient FROM notifications_notification n
 WHERE tenant_id = %(tenant)s AND mode = %(mode)s
   AND (user_id = %(user_id)s OR user_id IS NULL AND recipient = ANY(%(addresses)s))
 ORDER BY id LIMIT %(batch)s
"""

# However it was spelt: by no index, so only the second look, for which nobody waits, does it.
_ALL_OF_MINE = """
SELECT id, channel, recipient FROM notifications_notification n
 WHERE tenant_id = %(tenant)s AND mode = %(mode)s
   AND (user_id = %(user_id)s OR user_id IS NULL AND address = ANY(%(digests)s))
 ORDER BY id LIMIT %(batch)s
"""

# What is still owed is in a provider's hands or held: it expires instead of being tried again.
_LAST_TRY = """
UPDATE notifications_outboxmessage o
   SET expires_at = statement_timestamp(), ordering_key = NULL,
       due_at = CASE WHEN leased_by IS NULL THEN statement_timestamp() ELSE due_at END
 WHERE id = ANY(%(found)s) AND expires_at > statement_timestamp()
"""

_BLANK = {
    "notifications": """
UPDATE notifications_notification
   SET recipient = '', address = NULL, subject = '', metadata = '{}', user_id = NULL,
       cancel_key = NULL, provider_message_id = NULL,
       expires_at = least(expires_at, greatest(created_at, statement_timestamp())),
       body_erased_at = CASE WHEN settled_at IS NOT NULL
                             THEN coalesce(body_erased_at, statement_timestamp()) END
 WHERE id = ANY(%(found)s)""",
    "bodies": """
DELETE FROM notifications_content c USING notifications_notification n
 WHERE n.id = ANY(%(found)s) AND c.id = n.content_id AND n.settled_at IS NOT NULL""",
    "bodies_in_flight": """
UPDATE notifications_content c SET payload = '{}' FROM notifications_notification n
 WHERE n.id = ANY(%(found)s) AND c.id = n.content_id AND payload <> '{}'""",
    "attempts": """
UPDATE notifications_attempt
   SET error = NULL, response = NULL, copies = NULL, provider_message_id = NULL
 WHERE subject_id = ANY(%(found)s)""",
    "events": """
UPDATE notifications_event
   SET data = (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(data)
                WHERE key = ANY(%(plain)s))
 WHERE notification_id = ANY(%(found)s)""",
    "dead_letters": """
UPDATE notifications_deadletter SET detail = ''
 WHERE tenant_id = %(tenant)s AND notification_id = ANY(%(found)s)""",
    # What providers called back with is delivery's, which this package does not know.
    "receipts": """
UPDATE delivery_receipt
   SET recipient = NULL, raw = NULL, description = '', provider_message_id = ''
 WHERE notification_id = ANY(%(found)s)""",
    "deduplications": """
DELETE FROM notifications_deduplication
 WHERE tenant_id = %(tenant)s AND mode = %(mode)s AND notification_id = ANY(%(found)s)""",
}

_OF_USER = {
    "consents": """
UPDATE notifications_consent SET user_id = NULL, address = NULL
 WHERE tenant_id = %(tenant)s AND mode = %(mode)s AND user_id = %(user_id)s""",
    "suppressions": """
UPDATE notifications_suppression SET recipient = NULL
 WHERE tenant_id = %(tenant)s AND mode = %(mode)s AND address = ANY(%(digests)s)
   AND recipient IS NOT NULL""",
}

# The answers that are remembered for repetitions name whom they were about; a repetition gets them
# still, without the name.
_ANSWERS = """
UPDATE notifications_idempotencyrecord SET body = replace(body::text, %(word)s, '""')::jsonb
 WHERE tenant_id = %(tenant)s AND mode = %(mode)s AND strpos(body::text, %(word)s) > 0
"""

_PLAIN = (
    "at", "attempt_id", "code", "driver", "number", "outcome", "provider", "reason", "replay_id",
)  # fmt: skip
"""What events say that is about nobody."""


@dataclass(slots=True)
class _Trace:
    """Who is to be erased, as far as is known by now, and what was found."""

    user_id: str
    addresses: set[tuple[str, str]] = field(default_factory=set)
    found: list[UUID] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def dump(self) -> bytes:
        return json.dumps(
            {
                "user_id": self.user_id,
                "addresses": sorted(self.addresses),
                "found": [one.hex for one in self.found],
            }
        ).encode()

    @classmethod
    def load(cls, text: bytes) -> _Trace:
        known = json.loads(text)
        addresses = {(channel, address) for channel, address in known["addresses"]}
        return cls(known["user_id"], addresses, [UUID(hex=one) for one in known["found"]])


def erase(owner: Owner, user_id: str) -> Erasure | None:
    """Erase the user; None where there is no trace of one.

    Raises:
        django.db.OperationalError: it may be half done; the same call does the rest.
    """
    trace = _Trace(user_id)
    _look(owner, trace)
    if not trace.counts:
        return None
    row = Erasure(id=ids.new(), tenant_id=owner.tenant_id, mode=owner.mode)
    row.counts = dict(trace.counts)
    row.sealed = vault.seal(trace.dump(), owner=_sealed_for(row))
    row.save(force_insert=True)
    row.refresh_from_db()
    return row


def complete(most: int = 20) -> int:
    """Take the second look of those whose time has come; how many erasures are complete by it."""
    seconds = settings.LEASE_SECONDS + settings.CALL_SECONDS
    rows = Erasure.objects.filter(
        completed_at=None, created_at__lt=Now() - timedelta(seconds=seconds)
    )
    done = 0
    for row in rows.order_by("created_at")[:most]:
        owner = Owner(row.tenant_id, row.mode)
        trace = _Trace.load(vault.open(bytes(row.sealed), owner=_sealed_for(row)))
        _blank(owner, trace.found)
        _look(owner, trace, mine=_ALL_OF_MINE)
        if OutboxMessage.objects.filter(pk__in=trace.found).exists():
            continue
        counts = dict(Counter(row.counts) + trace.counts)
        ended = Erasure.objects.filter(pk=row.pk, completed_at=None)
        done += ended.update(counts=counts, sealed=b"", completed_at=Now())
    return done


def _sealed_for(row: Erasure) -> bytes:
    return row.tenant_id.bytes + row.pk.bytes


def _look(owner: Owner, trace: _Trace, mine: str = _MINE) -> None:
    """Erase what there is of the user at this moment; its row goes first, so that nothing more is
    accepted for it."""
    of = {"tenant_id": owner.tenant_id, "mode": owner.mode, "user_id": trace.user_id}
    with transaction.atomic():
        for row in Subscriber.objects.filter(**of).select_for_update():
            trace.addresses |= set(row.addresses.items())
        trace.counts["users"] += Subscriber.objects.filter(**of).delete()[0]
        trace.counts["preferences"] += Preference.objects.filter(**of).delete()[0]
        if owner.mode != Mode.TEST:  # they are of all modes: what is tried does not reach them
            own = SenderConfig.objects.filter(
                tenant_id=owner.tenant_id, scope=SenderConfig.Scope.USER, scope_id=trace.user_id
            )
            trace.counts["sender_configs"] += own.delete()[0]
    while found := _mine(owner, trace, mine):
        stopped = stop(dict.fromkeys(found, "erased"), State.CANCELED)
        trace.counts["stopped"] += sum(1 for channel in stopped.values() if channel)
        trace.counts += _blank(owner, found)
        trace.found += found
    values = _named(owner, trace)
    for name, statement in _OF_USER.items():
        trace.counts[name] += _run(statement, values)
    for word in sorted({trace.user_id, *(address for _, address in trace.addresses)}):
        values["word"] = json.dumps(word, ensure_ascii=False)
        trace.counts["answers"] += _run(_ANSWERS, values)
    trace.counts = +trace.counts


def _mine(owner: Owner, trace: _Trace, mine: str) -> list[UUID]:
    """Some of those that name the user, or an address of the user and nobody."""
    with connection.cursor() as cursor:
        cursor.execute(mine, _named(owner, trace) | {"batch": BATCH})
        rows = cursor.fetchall()
    trace.addresses |= {(channel, address) for _, channel, address in rows if address}
    return [key for key, _, _ in rows]


def _named(owner: Owner, trace: _Trace) -> dict[str, Any]:
    given = {address for _, address in trace.addresses}
    return _values(owner) | {
        "user_id": trace.user_id,
        "addresses": sorted({s for a in given for s in (a, a.lower(), normalised(a))}),
        "digests": [digest(owner.tenant_id, *one) for one in sorted(trace.addresses)],
    }


def _blank(owner: Owner, found: Sequence[UUID]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for begin in range(0, len(found), BATCH):
        values = _values(owner) | {"found": list(found[begin : begin + BATCH]), "plain": [*_PLAIN]}
        with transaction.atomic():
            # Outbox rows first, as everybody locks them.
            _run(_LAST_TRY, values)
            for name, statement in _BLANK.items():
                counts[name] += _run(statement, values)
    return counts


def _values(owner: Owner) -> dict[str, Any]:
    return {"tenant": owner.tenant_id, "mode": owner.mode}


def _run(statement: str, values: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
