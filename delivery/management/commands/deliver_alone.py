"""`manage.py deliver_alone`: one suspect row in a process of its own; see `delivery.poison`."""

from __future__ import annotations

import resource
import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from delivery.claim import leased
from delivery.deliver import deliver_claim
from delivery.plans import go_by_keys

MEMORY_OCTETS = 1024 * 1024 * 1024
CPU_SECONDS = 60


class Command(BaseCommand):
    """Delivers the row if the fencing token is still the row's."""

    help = "Internal: deliver one claimed row, as a worker does with a row that crashed others."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The outbox row's id, and the claim's fencing token."""
        parser.add_argument("id", type=UUID)
        parser.add_argument("fence", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        """Deliver, or do nothing when the claim is not held any more."""
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS, MEMORY_OCTETS))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        go_by_keys()
        taken_at = time.monotonic()
        if claim := leased(options["id"], options["fence"], taken_at):
            deliver_claim(claim)
