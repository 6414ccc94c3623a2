"""What an instance's processes are told, and how a later command line learns it."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from hiram.embedded.home import Home, write_private
from hiram.embedded.postgres import Postgres
from hiram.embedded.redis import Redis

ROOT = Path(__file__).resolve().parent.parent.parent
PORTS = {"HIRAM_PORT": 3357, "HIRAM_STREAM_PORT": 3358, "HIRAM_OPS_PORT": 3359}
SIMULATOR_PORTS = ("simulator_smtp", "simulator_http")

_FILE = "environment.json"
_OURS = ("HIRAM_", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "OTEL_")


def home_of(given: Mapping[str, str]) -> Home:
    """The instance's home: `HIRAM_HOME`, else `var/` beside the code."""
    return Home(Path(given.get("HIRAM_HOME") or ROOT / "var").resolve())


def is_given(given: Mapping[str, str], name: str) -> bool:
    """Whether the operator set the variable, or its NAME_FILE."""
    return bool(given.get(name) or given.get(f"{name}_FILE"))


def environment(home: Home, given: Mapping[str, str]) -> dict[str, str]:
    """The variables of a development instance: the embedded parts, where nothing else is given.

    Secrets and ports are made on first use and kept in the home.
    """
    told = simulator(home) | {
        "HIRAM_HOME": str(home.path),
        "HIRAM_ENV": "development",
        "HIRAM_OPS_HOST": "127.0.0.1",
        "PROMETHEUS_MULTIPROC_DIR": str(home.run / "metrics"),
    }
    port = given.get("HIRAM_PORT") or PORTS["HIRAM_PORT"]
    otherwise = {name: str(default) for name, default in PORTS.items()} | {
        "HIRAM_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "HIRAM_SECRET_KEY": home.secret("HIRAM_SECRET_KEY"),
        "HIRAM_ENCRYPTION_KEYS": home.key("HIRAM_ENCRYPTION_KEYS"),
        "DATABASE_URL": Postgres(home.path).url,
        "REDIS_URL": given.get("REDIS_URL") or Redis(home.path).url,
    }
    otherwise["CELERY_BROKER_URL"] = otherwise["REDIS_URL"]
    return told | {name: v for name, v in otherwise.items() if not is_given(given, name)}


def simulator(home: Home) -> dict[str, str]:
    """Where the simulator listens."""
    smtp, http = (home.port(name) for name in SIMULATOR_PORTS)
    return {
        "HIRAM_SIMULATOR_SMTP_PORT": str(smtp),
        "HIRAM_SIMULATOR_HTTP_PORT": str(http),
        "HIRAM_SIMULATOR_SMTP": f"127.0.0.1:{smtp}",
        "HIRAM_SIMULATOR_URL": f"http://127.0.0.1:{http}",
    }


def publish(home: Home, environ: Mapping[str, str]) -> None:
    """Write down what the instance was told, for `adopt`; readable by its owner only."""
    told = {name: value for name, value in environ.items() if name.startswith(_OURS)}
    write_private(home.path / _FILE, json.dumps(told, indent=2))


def adopt(environ: MutableMapping[str, str], command: str) -> None:
    """Complete a command line's environment from the instance in its home, if there is one.

    `up` makes what is missing; every other command takes what the last `up` wrote, and nothing in
    production, where the environment says all.
    """
    home = home_of(environ)
    if command == "up":
        environ.update(environment(home, environ))
    elif environ.get("HIRAM_ENV") == "production":
        return
    elif (home.path / _FILE).exists():
        told = json.loads((home.path / _FILE).read_text())
        environ.update({n: text for n, text in told.items() if not is_given(environ, n)})
    elif command in ("bench", "down"):
        # One brings its own servers; the other can only say with settings that none are here.
        environ.update(environment(home, environ))
