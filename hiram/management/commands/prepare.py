"""`manage.py prepare`: what an instance for development has before its processes start."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """One process where three would each load all of Django."""

    help = "`migrate`, `load_changelog` and `demo`, one after the other. `up` runs this at each start."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Do all three; the first that fails is the last."""
        call_command("migrate", interactive=False)
        call_command("load_changelog")
        call_command("demo")
