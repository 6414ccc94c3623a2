"""`manage.py bench`: the table of ratios, on screen and in `$HIRAM_HOME/bench.json`."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from hiram.bench.accept import accepting
from hiram.bench.claiming import claiming
from hiram.bench.deliver import delivering
from hiram.bench.fairness import fairness
from hiram.bench.hooks import hooks
from hiram.bench.idle import idling
from hiram.bench.measures import Measure, latency, sink, tenancy
from hiram.bench.notify import notifying
from hiram.bench.receipts import receipts
from hiram.bench.soak import soak
from hiram.bench.stage import BenchFailed, Stage
from hiram.bench.templates import templating

PARTS = ("accept", "deliver", "latency", "fairness", "claim", "idle")
BY_NAME = ("soak", "hooks", "receipts", "templates", "notify")
"""With them a run would take longer than ten minutes."""


class Command(BaseCommand):
    """Runs every measure beside its reference."""

    requires_system_checks = ()

    help = (
        "Measure Hiram beside pgbench, django-post-office and bare Celery in one run of under ten"
        " minutes, on PostgreSQL and Redis of its own. Prints ratios, writes bench.json. Exit"
        " status 1 when a ratio is below its floor."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--only`."""
        parser.add_argument(
            "--only",
            choices=PARTS + BY_NAME,
            action="append",
            help="measure only this (may be repeated); soak, hooks, receipts, templates and notify run only so",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure, print, write."""
        chosen = set(options["only"] or PARTS)
        rows: list[Measure] = []
        try:
            with Stage(settings.HIRAM_HOME / "bench") as stage, sink(stage) as (port, arrivals):
                who = tenancy(stage, port)
                parts: dict[str, Callable[[], Iterator[Measure]]] = {
                    "idle": lambda: idling(stage),
                    "accept": lambda: accepting(stage, who, port),
                    "templates": lambda: templating(stage, who),
                    "notify": lambda: notifying(stage, who),
                    "deliver": lambda: delivering(stage, who, port, arrivals),
                    "latency": lambda: latency(stage, who, port, arrivals),
                    "fairness": lambda: fairness(stage, port, arrivals),
                    "hooks": lambda: hooks(stage),
                    "receipts": lambda: receipts(stage),
                    "claim": lambda: claiming(stage),
                    "soak": lambda: soak(stage),
                }
                for name, part in parts.items():
                    if name in chosen:
                        for row in part():
                            rows.append(row)
                            self.stdout.write(line(row))
        except BenchFailed as error:
            raise CommandError(str(error)) from error
        path = settings.HIRAM_HOME / "bench.json"
        path.write_text(json.dumps([row.as_dict() for row in rows], indent=2))
        self.stdout.write(f"written to {path}")
        if not all(row.ok for row in rows):
            sys.exit(1)


def line(row: Measure) -> str:
    """A row of the table."""
    verdict = "ok" if row.ok else "BELOW"
    return (
        f"{row.measure:<34} {row.value:>10.2f} {row.unit:<12} {row.reference:<34}"
        f" {row.reference_value:>10.2f}  ratio {row.ratio:>6.2f}  floor {row.floor:>6.2f}  {verdict}"
    )
