"""Withhold: end what is owed and may not go out any more, as soon as that is known.

Whoever writes that somebody is not to be written to calls it afterwards. What it misses, because it
was accepted in that moment or is more than one call ends, or because the database was busy, is
found by the read before each call of a provider, which asks the same question: nothing goes out,
it only ends later.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import OperationalError, connection

from notifications.accept import Owner, lane_id
from notifications.cancel import MAY_HAVE_LEFT, stop
from notifications.models import CLASSES
from notifications.refusal import refused
from notifications.shelves import channels
from notifications.states import OWED, State, before
from notifications.suppression import digest, normalised

logger = logging.getLogger(__name__)

BATCH = 1_000
BLOCKED_MOST = 10_000
"""What a block ends in its own request; the rest ends as each comes due."""

LOOKED_AT_MOST = 20_000
"""Owed on a channel, of which those to an address are found however it was spelt there."""

_REFUSED = refused(row="n", tenant="n.tenant_id", mode="n.mode", address="n.address", policy="p")

_FIND = """
SELECT id, reason FROM (
  SELECT n.id, {refused} AS reason
    FROM {rows}
    LEFT JOIN tenants_categorypolicy p ON p.tenant_id = n.tenant_id AND p.category = n.category
   WHERE n.tenant_id = %(tenant)s AND n.mode = %(mode)s AND n.status = ANY(%(states)s)
     AND {which}
     AND NOT EXISTS (SELECT FROM notifications_attempt a
                      WHERE a.subject_id = n.id AND a.outcome = ANY(%(may_have_left)s))
   OFFSET 0) found
 WHERE reason IS NOT NULL LIMIT %(most)s
"""

_OWED = """(SELECT o.id FROM notifications_outboxmessage o
             WHERE o.rank = ANY(%(ranks)s) AND o.lane_id = ANY(%(lanes)s) {limit}) o
    JOIN notifications_notification n ON n.id = o.id"""

_ANY = "notifications_notification n"
_OF_USER = _FIND.format(refused=_REFUSED, rows=_ANY, which="n.user_id = %(user_id)s")
_SPELT = _FIND.format(
    refused=_REFUSED,
    rows=_ANY,
    which="n.recipient = ANY(%(spelt)s) AND n.address = ANY(%(addresses)s)"
    " AND n.channel = %(channel)s",
)
_OF_ADDRESS = _FIND.format(
    refused=_REFUSED,
    rows=_OWED.format(limit="LIMIT %(looked_at)s"),
    which="n.address = ANY(%(addresses)s)",
)
_OF_LANES = _FIND.format(refused=_REFUSED, rows=_OWED.format(limit=""), which="true")


def withhold_from_user(owner: Owner, user_id: str) -> int:
    """End what is owed to this user and not wanted; how many."""
    return _withhold(_OF_USER, _values(owner) | {"user_id": user_id})


def withhold_from_addresses(owner: Owner, channel: str, addresses: Sequence[str]) -> int:
    """End what is owed to these addresses of a channel and refused; how many."""
    values = _values(owner) | _lanes(owner, channel) | {
        "channel": channel,
        "spelt": sorted({s for a in addresses for s in (a, a.lower(), normalised(a))}),
        "addresses": sorted({digest(owner.tenant_id, channel, a) for a in addresses}),
        "looked_at": LOOKED_AT_MOST,
    }  # fmt: skip
    return _withhold(_SPELT, values) + _withhold(_OF_ADDRESS, values)


def withhold_from_channel(owner: Owner, channel: str | None) -> int:
    """End what is owed by a channel, or by every one, and refused; how many, `BLOCKED_MOST` at
    most."""
    return _withhold(_OF_LANES, _values(owner) | _lanes(owner, channel), BLOCKED_MOST)


def _withhold(statement: str, values: dict[str, Any], most: int | None = None) -> int:
    ended = 0
    try:
        while most is None or ended < most:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                found = dict(cursor.fetchall())
            stopped = [c for c in stop(found, State.SUPPRESSED).values() if c] if found else []
            if not stopped:
                break
            ended += len(stopped)
    except OperationalError as error:
        # What was written holds: the read before each call respects it.
        logger.warning("not all was withheld at once: %s", type(error).__name__)
    return ended


def _values(owner: Owner) -> dict[str, Any]:
    return {
        "tenant": owner.tenant_id, "mode": owner.mode, "most": BATCH,
        "states": sorted(OWED.intersection(before(State.SUPPRESSED))),
        "may_have_left": list(MAY_HAVE_LEFT),
    }  # fmt: skip


def _lanes(owner: Owner, channel: str | None) -> dict[str, Any]:
    names = [channel] if channel else [*channels]
    ranks = list(CLASSES.values())
    return {"ranks": ranks, "lanes": [lane_id(owner, name, r) for name in names for r in ranks]}
