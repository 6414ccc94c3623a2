"""The folder of one instance, `$HIRAM_HOME`: what it remembers and where its parts live."""

from __future__ import annotations

import base64
import json
import os
import random
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

# Below the range that systems take outgoing ports from (Linux: 32768, IANA: 49152), so that no
# client which keeps dialing a stopped server can be given, and so block, that server's own port.
_PORTS = range(15_000, 32_000)


class Unavailable(Exception):
    """Something on this machine keeps a server from starting; the text says what to do."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on this TCP port now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


@dataclass(frozen=True, slots=True)
class Home:
    """One instance's folder. Two instances need two homes and nothing else in common."""

    path: Path

    @property
    def run(self) -> Path:
        """Pid files and sockets: true only while the instance runs."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """Logs."""
        return self.path / "log"

    def make(self) -> None:
        """Create the folders.

        As root they let others pass, because PostgreSQL then runs as another user, but not look.
        """
        pass_only = 0o711 if os.geteuid() == 0 else 0o700
        for folder, mode in ((self.path, pass_only), (self.run, pass_only), (self.log, 0o700)):
            if not folder.is_dir():
                folder.mkdir(parents=True)
                folder.chmod(mode)

    def secret(self, name: str) -> str:
        """The instance's secret of that name: 48 random bytes, made on first use and kept."""
        return str(self._remember("secrets.json", name, secrets.token_urlsafe(48)))

    def key(self, name: str) -> str:
        """The instance's encryption key of that name: 32 random bytes in URL-safe base64, kept."""
        made = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return str(self._remember("secrets.json", name, made))

    def port(self, name: str) -> int:
        """The server's TCP port: chosen free on first use, then always the same."""
        known = self._recall("ports.json").values()
        free = (p for p in random.sample(_PORTS, 100) if p not in known and is_free(p))
        return int(self._remember("ports.json", name, next(free)))

    def move(self, name: str) -> int:
        """Forget the server's port, which somebody else has taken, and choose another."""
        known = self._recall("ports.json")
        known.pop(name, None)
        write_private(self.path / "ports.json", json.dumps(known))
        return self.port(name)

    def write_pid(self, name: str, pid: int) -> None:
        """Say that the process of that name runs."""
        write_private(self.run / f"{name}.pid", f"{pid}\n")

    def drop_pid(self, name: str) -> None:
        """Say that it does not."""
        (self.run / f"{name}.pid").unlink(missing_ok=True)

    def _recall(self, file: str) -> dict[str, str | int]:
        path = self.path / file
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def _remember(self, file: str, name: str, value: str | int) -> str | int:
        known = self._recall(file)
        if name not in known:
            self.make()
            known[name] = value
            write_private(self.path / file, json.dumps(known, indent=2))
        return known[name]
