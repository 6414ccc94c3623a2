"""`manage.py bench`: the table of ratios, on screen and in `$HIRAM_HOME/bench.json`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from hiram.bench import measures
from hiram.bench.fairness import fairness
from hiram.bench.hooks import hooks
from hiram.bench.measures import Measure, sink, tenancy
from hiram.bench.receipts import receipts
from hiram.bench.soak import soak
from hiram.bench.stage import BenchFailed, Stage
from hiram.embedded.environment import ROOT

PARTS = ("accept", "deliver", "latency", "fairness", "claim", "idle")
BY_NAME = ("soak", "hooks", "receipts")
"""Too long for every run, or not where they should be yet."""
PEER = "django-post-office==3.12.0"


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
            help="measure only this (may be repeated); soak, hooks and receipts run only so",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure, print, write."""
        chosen = set(options["only"] or PARTS)
        rows: list[Measure] = []
        try:
            with Stage(settings.HIRAM_HOME / "bench") as stage, sink(stage) as (port, arrivals):
                peers = self._peers(stage, port) if chosen & {"accept", "deliver"} else {}
                who = tenancy(stage, port)
                parts: dict[str, Callable[[], Iterator[Measure]]] = {
                    "idle": lambda: measures.idling(stage),
                    "accept": lambda: measures.accepting(stage, who, peers),
                    "deliver": lambda: measures.delivering(stage, who, arrivals, peers),
                    "latency": lambda: measures.latency(stage, who, port, arrivals),
                    "fairness": lambda: fairness(stage, port, arrivals),
                    "hooks": lambda: hooks(stage),
                    "receipts": lambda: receipts(stage),
                    "claim": lambda: measures.claiming(stage),
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

    def _peers(self, stage: Stage, port: int) -> dict[str, float]:
        """django-post-office in an environment of its own, against the same PostgreSQL."""
        python = _peer_python(stage.home.path / "post-office")
        stage.manage("shell", "-c", _FRESH_DATABASE)
        script = str(Path(measures.__file__).with_name("peer.py"))
        printed = stage.python(script, stage.postgres.url, str(port), python=str(python))
        found: dict[str, float] = json.loads(printed.splitlines()[-1])
        return found


_FRESH_DATABASE = (
    "from django.db import connection as c\n"
    "with c.cursor() as cursor:\n"
    "    cursor.execute('DROP DATABASE IF EXISTS bench_peer')\n"
    "    cursor.execute('CREATE DATABASE bench_peer')\n"
)


def _peer_python(folder: Path) -> Path:
    """The Python of an environment with the peer in it, made at first use."""
    python = folder / "bin" / "python"
    marker = folder / PEER
    if not marker.exists():
        environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        wanted = [PEER, "psycopg[binary]", "django<5.3"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", *wanted],
        ):
            done = subprocess.run(  # noqa: S603
                command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False
            )
            if done.returncode:
                raise BenchFailed(f"cannot make {folder}: {done.stderr[-1000:]}")
        marker.touch()
    return python


def line(row: Measure) -> str:
    """A row of the table."""
    verdict = "ok" if row.ok else "BELOW"
    return (
        f"{row.measure:<34} {row.value:>10.2f} {row.unit:<12} {row.reference:<34}"
        f" {row.reference_value:>10.2f}  ratio {row.ratio:>6.2f}  floor {row.floor:>6.2f}  {verdict}"
    )
