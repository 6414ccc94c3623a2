"""An embedded PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from hiram.embedded.binaries import find_postgres
from hiram.embedded.home import Unavailable, write_private
from hiram.embedded.launch import launch, unprivileged
from hiram.embedded.server import Server

_NAME = "hiram"
# sockaddr_un.sun_path holds 107 bytes and a zero on Linux, 103 on macOS (unix(7), sys/un.h).
_SOCKET_PATH_BYTES = 103
_BUILTIN_LOCALE_SINCE = 17
_LEFTOVER_SECONDS = 10

_SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "password_encryption": "scram-sha-256",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "cluster_name": _NAME,
}


class Postgres(Server):
    """PostgreSQL with the database `hiram`, owned by its superuser `hiram`.

    It listens on 127.0.0.1 and on a unix socket in a folder closed to others; the URL names the
    socket, which is faster, unless its path is too long. Both ask for a generated password
    (SCRAM), because root reaches a server that runs as another user, so the kernel's word on who
    connects would need a map, and a password works alike on both.

    Args:
        home: the instance's folder.
        durable: False turns `fsync` off, for data that nobody needs after a crash.
        max_connections: as in PostgreSQL.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": disconnects clients, then ends cleanly
    stop_seconds = 6

    def __init__(self, home: Path, durable: bool = True, max_connections: int = 200) -> None:
        super().__init__(home)
        self.data = self.home.path / "postgres"
        self._sockets = self.home.run / "postgres"
        self._durable = durable
        self._max_connections = max_connections
        self._bin: Path | None = None

    @property
    def url(self) -> str:
        return self._url(_NAME)

    def _url(self, database: str) -> str:
        user = f"postgresql://{_NAME}:{self.home.secret('postgres')}"
        if self._socket_fits:
            return f"{user}@/{database}?host={quote(str(self._sockets))}&port={self.port}"
        return f"{user}@127.0.0.1:{self.port}/{database}"

    @property
    def _socket_fits(self) -> bool:
        path = os.fsencode(self._sockets / f".s.PGSQL.{self.port}.lock")
        return len(path) < _SOCKET_PATH_BYTES and b"," not in path  # a comma makes it two hosts

    @property
    def argv(self) -> list[str]:
        if self._bin is None:
            raise Unavailable("prepare() comes first")
        quoted = str(self._sockets).replace('"', '""')
        settings = _SETTINGS | {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": f'"{quoted}"' if self._socket_fits else "",
            "unix_socket_permissions": "0700",
            "max_connections": str(self._max_connections),
            "fsync": "on" if self._durable else "off",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self.data), *words]

    def prepare(self) -> None:
        self.home.make()
        known = self.data / "PG_VERSION"
        self._bin, major = find_postgres(int(known.read_text()) if known.exists() else None)
        if account := unprivileged(self.data):
            self.account = account.able_to_reach(self.data, self._bin / "postgres")
        self._give(self._sockets)
        if known.exists():
            self._clear_leftovers()
        else:
            self._initialise(major)
        self.take_port()

    def ready(self) -> bool:
        """Whether it takes connections; makes the database when it is not there yet."""
        pidfile = self.data / "postmaster.pid"
        # Its last line says so (miscadmin.h, LOCK_FILE_LINE_PM_STATUS); asking sooner would only
        # fill the log.
        if not pidfile.exists() or not pidfile.read_text().rstrip().endswith("ready"):
            return False
        try:
            with psycopg.connect(self._url("postgres"), connect_timeout=2, autocommit=True) as db:
                query = "SELECT 1 FROM pg_database WHERE datname = %s"
                if db.execute(query, [_NAME]).fetchone() is None:
                    db.execute(f"CREATE DATABASE {_NAME}")
        except psycopg.OperationalError:
            return False
        return True

    def _give(self, folder: Path) -> None:
        """Make a folder that only the server's user can look into."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)

    def _initialise(self, major: int) -> None:
        """Make the data folder, all or nothing: a draft that a crash left is thrown away."""
        draft = self.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        password = self._sockets / "password"
        write_private(password, self.home.secret("postgres"))
        if self.account:
            os.chown(password, self.account.uid, self.account.gid)
        self._give(draft)
        locale = ["--locale=C"]
        if major >= _BUILTIN_LOCALE_SINCE:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        process = launch(
            [
                *(str(self._bin and self._bin / "initdb"), "-D", str(draft), "-U", _NAME),
                *("-E", "UTF8", "--data-checksums", "--auth=scram-sha-256"),
                *(f"--pwfile={password}", "--no-instructions", *locale),
                *([] if self._durable else ["--no-sync"]),
            ],
            output=subprocess.PIPE,
            account=self.account,
        )
        said, _ = process.communicate()
        password.unlink()
        if process.returncode:
            raise Unavailable(f"initdb failed: {said.decode(errors='replace').strip()}")
        draft.rename(self.data)

    def _clear_leftovers(self) -> None:
        """End what still works on our data, and disarm a pid file whose pid is now another's.

        PostgreSQL refuses to start over a pid file whose process lives, but a pid comes back
        after a reboot. Naming its parent, us, makes it see a stale file, and keeps the file's
        shared memory key, by which it still refuses while another server's children live.
        """
        pidfile = self.data / "postmaster.pid"
        if not pidfile.exists():
            return
        recorded, *rest = pidfile.read_text().splitlines() or [""]
        pid = int(recorded) if recorded.isdecimal() else 0
        if pid in self._processes():
            self._end([pid], signal.SIGINT)
        self._end(self._processes(), signal.SIGKILL)
        if not pid:  # torn by a full disk or a power cut
            pidfile.unlink(missing_ok=True)
        elif pidfile.exists() and Path(f"/proc/{pid}").exists():
            owner = pidfile.stat()
            write_private(pidfile, "\n".join([str(os.getpid()), *rest, ""]))
            os.chown(pidfile, owner.st_uid, owner.st_gid)

    def _end(self, pids: list[int], signum: signal.Signals) -> None:
        """Send the signal and wait until nothing works on our data any more, or for 10 s."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
        limit = time.monotonic() + _LEFTOVER_SECONDS
        while self._processes() and time.monotonic() < limit:
            time.sleep(0.02)

    def _processes(self) -> list[int]:
        """Every process that works on our data: PostgreSQL's all have the data folder as theirs."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "cwd").readlink() == self.data:
                    found.append(int(folder.name))
        return found
