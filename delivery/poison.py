"""Poison: a row that kills its worker must not take its neighbours along for ever.

`claims` counts claims that ended without any outcome. From the second on the row runs alone in
a process of its own with limits; at the fourth it is dead-lettered.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterable

from django.conf import settings

from delivery.claim import Claim
from delivery.settle import Ending, end
from notifications.states import State

logger = logging.getLogger(__name__)

SUSPECT_CLAIMS = 3
"""Claims in a row, this one included, of which none before had an outcome: two is one crash."""

CONDEMNED_CLAIMS = 5


def sort(claims: Iterable[Claim]) -> tuple[list[Claim], list[Claim]]:
    """The claims to work on together, and those to be run alone; the condemned are ended here."""
    sound, suspects, condemned = [], [], []
    for claim in claims:
        if claim.claims < SUSPECT_CLAIMS or claim.expired:
            sound.append(claim)
        elif claim.claims < CONDEMNED_CLAIMS:
            suspects.append(claim)
        else:
            text = f"{claim.claims - 1} claims in a row ended without an outcome"
            condemned.append(Ending(claim, State.FAILED, "poison", text))
    end(condemned)
    return sound, suspects


def run_alone(claim: Claim) -> None:
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
        return
    if done.returncode:
        logger.error("a suspect row ended its process with %s: %s", done.returncode, claim.id)
