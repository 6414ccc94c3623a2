"""The pages of `docs/` that are written from the code: what cannot be out of date."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from hiram import env
from notifications.states import MEANING, MOVES, OWED, STORED, State

DOCS = Path(settings.BASE_DIR) / "docs"

_PACKAGES = ("hiram", "tenants", "notifications", "delivery", "portal")
_READS = re.compile(
    r"\benv\.(?:text|integer|number|flag|words|networks|choice|servers)\(\s*\"(?P<name>\w+)\"",
    re.ASCII,
)

# What a default is made of stands in the table by its name.
_PLACEHOLDERS = {name: f"${name}" for name in ("REDIS_URL", "HIRAM_HOST")}
_NEEDED = {
    "HIRAM_SECRET_KEY": "no secret, only long enough to start",
    "HIRAM_ENCRYPTION_KEYS": "A" * 43 + "=",
    "DATABASE_URL": "postgresql:///hiram",
}

_CONFIGURATION = """# Configuration

Hiram is configured by its environment alone. Each variable may be given as `NAME_FILE` instead,
with the path of a file that holds the value (secrets of Docker or Kubernetes). A value that cannot
be used stops the start with a message that names the variable.

The defaults are those of production; `make up` sets what a development instance needs.
`manage.py docs` writes this page from the code.

| variable | default | meaning |
|---|---|---|
{rows}

Libraries read more: `PROMETHEUS_MULTIPROC_DIR` (the folder in which all processes of a host share
their metrics), and the standard variables of OpenTelemetry (`OTEL_...`) and libpq (`PG...`).
"""

_STATES = """# States of a notification

What the API shows as `status`. `manage.py docs` writes this page from `notifications/states.py`,
which the code obeys.

```mermaid
stateDiagram-v2
{moves}
```

| status | meaning | kept in |
|---|---|---|
{rows}

`queued` and `sending` are not stored: they are what the outbox row and the open attempt say at this
moment. What is settled is never sent again, except by a replay of what `failed`, which is recorded.
A fact that comes late still counts: `expired` becomes `sent` when the provider had taken it after
all.
"""


def pages() -> dict[Path, str]:
    """Each page by its file."""
    return {DOCS / "configuration.md": configuration(), DOCS / "states.md": states()}


def states() -> str:
    """`docs/states.md`."""
    moves = [f"    {start} --> {end}" for start in State for end in sorted(MOVES[start])]
    ends = [f"    {state} --> [*]" for state in State if not MOVES[state]]
    rows = [f"| `{state}` | {MEANING[state]} | {_keeper(state)} |" for state in State]
    lines = ["    [*] --> accepted", *moves, *ends]
    return _STATES.format(moves="\n".join(lines), rows="\n".join(rows))


def _keeper(state: State) -> str:
    if state not in STORED:
        return "the engine"
    return "the row, and owed" if state in OWED else "the row, settled"


def configuration() -> str:
    """`docs/configuration.md`; by a process of its own, whose environment says nothing else."""
    clean = {"PATH": os.environ.get("PATH", ""), **_PLACEHOLDERS, **_NEEDED}
    done = subprocess.run(
        [sys.executable, "manage.py", "docs", "--table"],
        env=clean,
        cwd=settings.BASE_DIR,
        check=True,
        capture_output=True,
        text=True,
    )
    return _CONFIGURATION.format(rows=done.stdout.strip())


def table() -> str:
    """The table's rows, for this process's environment."""
    for module, _ in readers():
        importlib.import_module(module)
    return "\n".join(
        f"| `{v.name}` | {_default(v.default)} | {v.about} |"
        for v in sorted(env.KNOWN.values(), key=lambda v: v.name)
    )


def readers() -> list[tuple[str, set[str]]]:
    """The modules that read variables, and which."""
    found = []
    for file in _files():
        if names := {read["name"] for read in _READS.finditer(file.read_text(encoding="utf-8"))}:
            module = ".".join(file.relative_to(settings.BASE_DIR).with_suffix("").parts)
            found.append((module, names))
    return found


def _files() -> list[Path]:
    roots = [Path(settings.BASE_DIR) / package for package in _PACKAGES]
    return sorted(file for root in roots for file in root.rglob("*.py"))


def _default(text: str) -> str:
    shown = text.replace(str(settings.BASE_DIR), ".")
    if shown in ("", "()"):
        return ""
    if shown.startswith("("):
        shown = ", ".join(re.findall(r"'([^']*)'", shown))
    return f"`{shown}`"
