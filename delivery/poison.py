"""Poison: a row that kills its worker must not take its neighbours along for ever.

`claims` counts claims that ended without any outcome, up to the one from which on the row runs
alone, in a process of its own with limits. What befalls the machine is held against no row: only
a death of that process, seen by the worker that started it, counts further, and the second one
is the row's end.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from delivery.claim import SUSPECT_CLAIMS, Claim
from delivery.settle import Ending, end
from notifications.states import State

logger = logging.getLogger(__name__)

CONDEMNED_CLAIMS = SUSPECT_CLAIMS + 2

ALONE_AT_ONCE = 2
"""Processes that one worker process has beside it: two kills of a busy worker make all that it was
calling suspect, and as many processes would be the end of the machine."""

TURN_SECONDS = 1
"""How long at least a suspect that has no place yet is let alone."""

_BLAME = """
UPDATE notifications_outboxmessage o SET claims = o.claims + 1
  FROM unnest(%s::uuid[], %s::bigint[]) x(id, fence) WHERE o.id = ANY(ARRAY[x.id]) AND o.fence = x.fence
"""

# It stays a suspect.
_LATER = """
UPDATE notifications_outboxmessage o
   SET due_at = clock_timestamp() + make_interval(secs => %s), leased_by = NULL
  FROM unnest(%s::uuid[], %s::bigint[]) x(id, fence) WHERE o.id = ANY(ARRAY[x.id]) AND o.fence = x.fence
"""


@dataclass(frozen=True, slots=True)
class Death:
    """The row's own process was ended by a signal, or had to be."""

    claim: Claim


def sort(claims: Iterable[Claim], places: int = ALONE_AT_ONCE) -> tuple[list[Claim], list[Claim]]:
    """The claims to work on together, and those to be run alone, as many as there are places for.

    The condemned are ended here, and suspects without a place given back.
    """
    sound, suspects, condemned = [], [], []
    for claim in claims:
        if claim.claims < SUSPECT_CLAIMS or claim.expired:
            sound.append(claim)
        elif claim.claims < CONDEMNED_CLAIMS:
            suspects.append(claim)
        else:
            deaths = claim.claims - SUSPECT_CLAIMS
            text = f"the process that ran it alone died {deaths} times"
            condemned.append(Ending(claim, State.FAILED, "poison", text))
    end(condemned)
    _give_back(suspects[places:])
    return sound, suspects[:places]


def _give_back(suspects: Sequence[Claim]) -> None:
    if suspects:
        keys, fences = [c.id for c in suspects], [c.fence for c in suspects]
        with connection.cursor() as cursor:
            cursor.execute(_LATER, [TURN_SECONDS, keys, fences])


def blame(deaths: Sequence[Death]) -> None:
    """Hold their process's death against these rows; not when they are another's by now."""
    if deaths:
        claims = [death.claim for death in deaths]
        with connection.cursor() as cursor:
            cursor.execute(_BLAME, [[c.id for c in claims], [c.fence for c in claims]])


def run_alone(claim: Claim) -> Death | None:
    """Deliver the claimed row in a limited process of its own, which settles it, or dies alone."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "deliver_alone"]
    try:
        done = subprocess.run(  # noqa: S603
            [*command, str(claim.id), str(claim.fence)],
            timeout=settings.LEASE_SECONDS,
            capture_output=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        logger.error("a suspect row did not end in time: %s", claim.id)
        return Death(claim)
    if done.returncode:
        logger.error("a suspect row ended its process with %s: %s", done.returncode, claim.id)
    # By itself it only ends so where PostgreSQL is away, or Hiram is being updated.
    return Death(claim) if done.returncode < 0 else None
