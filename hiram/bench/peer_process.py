"""django-post-office in an environment of its own, on the same PostgreSQL and the same sink."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiram.bench.child import Child, child
from hiram.bench.stage import BenchFailed, Stage
from hiram.embedded.environment import ROOT

PEER = "django-post-office==3.12.0"


@contextmanager
def post_office(stage: Stage, port: int) -> Iterator[Child]:
    """See `peer.py`."""
    python = _python(stage.home.path / "post-office")
    script = str(Path(__file__).with_name("peer.py"))
    url = stage.make_database("bench_peer")
    with child(stage, script, url, str(port), python=str(python)) as peer:
        yield peer


def _python(folder: Path) -> Path:
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
