"""One PostgreSQL and one Redis for the whole run, thrown away at its end.

The first process that imports the tests starts them and names them in the environment, which
pytest-xdist's workers and every program a test starts inherit. They end with that process: in
order after the last test and after Ctrl-C, by the kernel when it is killed.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from hiram.embedded.postgres import Postgres
from hiram.embedded.redis import Redis

_STARTED = "HIRAM_TEST_CLUSTER"
_PREFIX = "hiram-tests-"


def start() -> None:
    """Start what the environment does not name already; in an xdist worker only find it."""
    if _STARTED not in os.environ:
        _sweep()
        _start()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and os.environ[_STARTED]:
        # A Redis database each: 0 is the controller's, gw0 has 1.
        server, _, _ = os.environ["REDIS_URL"].rpartition("/")
        os.environ["REDIS_URL"] = f"{server}/{int(worker.removeprefix('gw')) + 1}"
        os.environ["CELERY_BROKER_URL"] = os.environ["REDIS_URL"]


def _start() -> None:
    home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    redis, postgres = Redis(home), Postgres(home, durable=False, max_connections=300)
    for server, variable in ((redis, "REDIS_URL"), (postgres, "DATABASE_URL")):
        if variable not in os.environ:
            atexit.register(server.stop)
            server.start()
            os.environ[variable] = server.url
    os.environ[_STARTED] = "redis" if redis.pid else ""
    os.environ.setdefault("CELERY_BROKER_URL", os.environ["REDIS_URL"])
    os.environ |= {
        "HIRAM_ENV": "development",
        "HIRAM_UNSAFE_DURABILITY": "1",
        "HIRAM_HOME": str(home),
        "HIRAM_SECRET_KEY": postgres.home.secret("HIRAM_SECRET_KEY"),
        "HIRAM_ENCRYPTION_KEYS": postgres.home.key("HIRAM_ENCRYPTION_KEYS"),
    }


def _sweep() -> None:
    """Remove what killed runs of ours left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not _alive(int(pid)) and folder.lstat().st_uid == os.geteuid():
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
