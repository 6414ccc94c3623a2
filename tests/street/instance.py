"""A whole Hiram of the tests' own: the real processes, as `manage.py up` runs them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from hiram.embedded.environment import PORTS, ROOT
from hiram.embedded.home import Home
from hiram.embedded.launch import launch
from tests.embedded.waiting import lives, until
from tests.street.mailbox import Mailbox
from tests.street.processes import family, send
from tests.street.tenant import Tenant

START_SECONDS = 180
"""The machine may be busy with other tests; `up` itself gives up after 120 s."""

STOP_SECONDS = 60
TENANTS_AT_ONCE = 20
TOPICS = ("notification", "webhook")

_OURS = ("HIRAM_", "DATABASE_", "REDIS_", "CELERY_", "PROMETHEUS_", "DJANGO_", "OTEL_", "PYTEST_")
_MAKE_TENANTS = """
import json, uuid
from hiram.lib import ids
from tenants.auth import issue_key
from tenants.models import ALL_SCOPES, Tenant
made = []
for _ in range({count}):
    tenant = Tenant.objects.create(name=f"Street {{uuid.uuid4()}}", mode="{mode}")
    keys = [issue_key(tenant, name=m, mode=m, scopes=ALL_SCOPES) for m in ("live", "test")]
    made.append([ids.show("tnt", tenant.pk), *(text for _, text in keys)])
print(json.dumps(made))
"""


class Instance:
    """A context manager: inside, everything runs and is started again when it dies.

    Args:
        settings: more environment variables.
    """

    def __init__(self, **settings: str) -> None:
        self.home = Home(Path(tempfile.mkdtemp(prefix="hiram-street-")))
        ports = {name: str(self.home.port(name)) for name in PORTS}
        kept = {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}
        self.env = kept | ports | {"HIRAM_HOME": str(self.home.path)} | settings
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._tenants: dict[str, list[Tenant]] = {"live": [], "shadow": []}

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start everything, for the first time or again, and wait until it is ready."""
        self.home.make()
        log = self.home.log / "hiram.log"
        self._said_before = log.stat().st_size if log.exists() else 0
        with (self.home.log / "up.log").open("ab") as output:
            # In the foreground, so that it ends when we do, however we end.
            self._supervisor = launch(
                [sys.executable, str(ROOT / "manage.py"), "up"],
                env=self.env,
                output=output,
                death=signal.SIGTERM,
            )
        try:
            until(self._started, START_SECONDS)
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.home.path, ignore_errors=True)

    def stop(self) -> None:
        """Stop everything; the data stay."""
        if self._supervisor is not None:
            self._supervisor.terminate()
            self._supervisor.wait(STOP_SECONDS)
            self._supervisor = None

    def crash(self) -> None:
        """Kill everything at once, as a power cut does."""
        assert self._supervisor is not None
        victims = family(self._supervisor.pid)
        send(signal.SIGSTOP, *victims)
        victims = family(self._supervisor.pid)
        send(signal.SIGKILL, *victims)
        self._supervisor.wait(STOP_SECONDS)
        self._supervisor = None
        until(lambda: not any(lives(victim) for victim in victims))

    def _started(self) -> bool:
        assert self._supervisor is not None
        assert self._supervisor.poll() is None, f"up ended: {self.log()[-4000:]}"
        return " up        ready\n" in self.log(self._said_before)

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.env['HIRAM_PORT']}"

    @property
    def facts(self) -> dict[str, str]:
        """What `up` tells a newcomer."""
        return dict(json.loads((self.home.path / "demo.json").read_text()))

    @property
    def mailbox(self) -> Mailbox:
        """The simulator."""
        return Mailbox(self.facts["simulator_url"])

    def log(self, after: int = 0) -> str:
        """What all processes said, from so many octets on."""
        path = self.home.log / "hiram.log"
        return path.read_bytes()[after:].decode(errors="replace") if path.exists() else ""

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *words],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def ask(self, *words: str) -> Any:
        """The JSON that a command prints; it must succeed."""
        done = self.manage(*words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def tenant(self, mode: str = "live") -> Tenant:
        """A tenant that no other test has: with keys, without providers."""
        free = self._tenants[mode]
        if not free:
            made = self.manage(
                "shell",
                "--no-imports",
                "--command",
                _MAKE_TENANTS.format(count=TENANTS_AT_ONCE, mode=mode),
            )
            assert made.returncode == 0, made.stderr
            free += [Tenant(self, *row) for row in json.loads(made.stdout)]
        return free.pop()

    def pid(self, name: str) -> int:
        """The process of that name; waits for one that is being started again."""
        path = self.home.run / f"{name}.pid"
        return int(until(lambda: path.exists() and path.read_text(), START_SECONDS))

    def ops(self, path: str) -> tuple[int, str]:
        """What the operations port answers; 0 when nothing does."""
        port = int(self.env["HIRAM_OPS_PORT"])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def ready(self) -> bool:
        """Whether /readyz says so, without a reservation."""
        status, body = self.ops("/readyz")
        return status == 200 and json.loads(body)["degraded"] == {}

    def environment(self, name: str) -> str:
        """A variable that the processes were given."""
        return str(json.loads((self.home.path / "environment.json").read_text())[name])

    def database(self) -> psycopg.Connection[Any]:
        """A connection to the instance's database, for looking behind the API."""
        return psycopg.connect(
            self.environment("DATABASE_URL"), autocommit=True, connect_timeout=5
        )

    def owed(self, *, hasten: bool = False, topics: Sequence[str] = TOPICS) -> int:
        """How much is owed; with `hasten` what waits for a retry, of these topics, is due."""
        with self.database() as database:
            if hasten:
                database.execute(
                    "UPDATE notifications_outboxmessage SET due_at = now()"
                    " WHERE leased_by IS NULL AND due_at > now() AND topic = ANY(%s)",
                    [list(topics)],
                )
            row = database.execute("SELECT count(*) FROM notifications_outboxmessage").fetchone()
        assert row is not None
        return int(row[0])

    @contextmanager
    def gone(self, name: str) -> Iterator[None]:
        """Inside, the server of that name is dead, and what lies in its place keeps it so."""
        folder = {"postgres": self.home.run / "postgres", "redis": self.home.path / "redis"}[name]
        away = folder.with_name(f"{name}.away")
        pid = self.pid(name)
        folder.rename(away)
        folder.touch()
        try:
            os.kill(pid, signal.SIGKILL)
            until(lambda: not lives(pid))
            yield
        finally:
            folder.unlink()
            away.rename(folder)
