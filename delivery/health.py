"""Health: what the answers of providers change in how they are used, told to their tenants.

Good news about a provider in good health is only counted here, in this process: a table that
every call wrote to would be the slowest part of the engine. What is bad, and what changes the
health of one in trouble, is written at once, for all workers.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from delivery import breaker
from delivery.breaker import Beat, Health, Pulse, Trouble
from delivery.choice import Reason
from delivery.verdict import Result, is_bad
from hiram.lib import ids

logger = logging.getLogger(__name__)

_ENSURE = """
INSERT INTO delivery_providerhealth (id, tenant_id, provider_id, detail)
SELECT gen_random_uuid(), tenant_id, id, '' FROM tenants_provider WHERE id = ANY(%s) ORDER BY id
ON CONFLICT (provider_id) DO NOTHING
"""

_LOCK = """
SELECT h.provider_id, p.tenant_id, p.name, p.channel, h.window::text,
       extract(epoch FROM h.open_until)::float, h.trouble, h.openings,
       extract(epoch FROM h.closed_at)::float, h.share,
       extract(epoch FROM h.share_changed_at)::float,
       extract(epoch FROM clock_timestamp())::float
  FROM delivery_providerhealth h JOIN tenants_provider p ON p.id = h.provider_id
 WHERE h.provider_id = ANY(%s) ORDER BY h.provider_id FOR UPDATE OF h
"""

_WRITE = """
UPDATE delivery_providerhealth
   SET "window" = %(window)s::jsonb, open_until = to_timestamp(%(open_until)s),
       trouble = %(trouble)s, openings = %(openings)s, closed_at = to_timestamp(%(closed_at)s),
       share = %(share)s, share_changed_at = to_timestamp(%(share_changed_at)s),
       probe_until = NULL,
       degraded_at = CASE WHEN %(degraded)s THEN coalesce(degraded_at, now()) END
 WHERE provider_id = %(provider_id)s
"""

_TELL = """
INSERT INTO notifications_event (id, tenant_id, mode, type, data)
VALUES (%s, %s, 'live', %s, %s::jsonb)
"""

_IN_TROUBLE = """
SELECT provider_id FROM delivery_providerhealth WHERE degraded_at IS NOT NULL LIMIT 1000
"""

Change = Callable[[Health, UUID, float], Health]


@dataclass(slots=True)
class _Count:
    """Good calls of a provider that nobody was told of yet, since when by the monotonic clock."""

    good: int
    since: float


_counts: dict[UUID, _Count] = {}


def feel(results: Iterable[Result]) -> None:
    """Take in how these calls went.

    Raises:
        django.db.OperationalError: it is not written; it is only advice.
    """
    pulses = _pulses(results)
    if pulses:
        _change(list(pulses), lambda health, key, at: breaker.after(health, pulses[key], at))


def drift() -> None:
    """What time alone changes: see `breaker.drift`."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_TROUBLE)
        found = [key for (key,) in cursor.fetchall()]
    if found:
        _change(found, lambda health, _, at: breaker.drift(health, at))


def _pulses(results: Iterable[Result]) -> dict[UUID, Pulse]:
    """What is to be written, by provider."""
    felt: dict[UUID, list[int]] = {}
    news: set[UUID] = set()
    for result in results:
        way = result.work.way
        if way is None or way.route.provider_id is None or result.work.shadow:
            continue
        bad, slow = is_bad(result.answer), result.seconds > breaker.SLOW_SECONDS
        numbers = felt.setdefault(way.route.provider_id, [0, 0, 0])
        numbers[1 if bad else 0] += 1
        numbers[2] += slow
        if bad or slow or way.reason is Reason.PROBE:
            news.add(way.route.provider_id)
    now = time.monotonic()
    for key, (good, _, _) in felt.items():
        _counts.setdefault(key, _Count(0, now)).good += good
    return {key: Pulse(_told(key, now), *felt[key][1:]) for key in news}


def _told(key: UUID, now: float) -> int:
    """The good calls since the last time, as if they had all been in the last seconds."""
    count = _counts.pop(key)
    age = max(now - count.since, breaker.OPENS_WITHIN_SECONDS)
    recent = round(count.good * breaker.OPENS_WITHIN_SECONDS / age)
    return max(recent, min(count.good, breaker.CALLS_LEAST))


def _change(found: list[UUID], change: Change) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ENSURE, [found])
        cursor.execute(_LOCK, [found])
        for key, tenant_id, name, channel, *columns, at in cursor.fetchall():
            before = _health(columns)
            now = change(before, key, at)
            if now == before:
                continue
            cursor.execute(_WRITE, _columns(now) | {"provider_id": key})
            if now.is_degraded != before.is_degraded:
                kind = "provider.degraded" if now.is_degraded else "provider.recovered"
                data = {"provider_id": ids.show("prv", key), "provider": name, "channel": channel}
                data["reason"] = now.trouble or ("errors" if now.is_degraded else None)
                cursor.execute(_TELL, [ids.new(), tenant_id, kind, json.dumps(data)])
                logger.warning("%s: %s (%s)", kind, name, data["reason"])


def _health(columns: list[Any]) -> Health:
    window, open_until, trouble, openings, closed_at, share, share_changed_at = columns
    beats = tuple(Beat(*beat) for beat in json.loads(window))
    named = Trouble(trouble) if trouble else None
    return Health(beats, open_until, named, openings, closed_at, share, share_changed_at)


def _columns(health: Health) -> dict[str, Any]:
    beats = [[beat.at, beat.calls, beat.bad, beat.slow] for beat in health.window]
    return asdict(health) | {"window": json.dumps(beats), "degraded": health.is_degraded}
