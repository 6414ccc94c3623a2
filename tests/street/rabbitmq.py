"""A RabbitMQ of the tests' own, from the machine's package."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from hiram.embedded.launch import launch
from tests.embedded.waiting import until
from tests.street.processes import family, send

# The package's own script: the one on the PATH wants to be root or `rabbitmq`.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
EPMD = Path("/usr/bin/epmd")
START_SECONDS = 90


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in taken]
    for listener in taken:
        listener.close()
    return ports


class RabbitMQ:
    """A context manager: inside, the broker runs; `kill` and `start` it as often as wanted."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hiram-rabbitmq-"))
        self._port, distribution, self._names = _free_ports(3)
        plugins = self._folder / "plugins"
        plugins.write_text("[].")
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names),
            "RABBITMQ_NODENAME": f"hiram{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "none"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "none.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
                " -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For CELERY_BROKER_URL."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        """Start it, for the first time or again with what it has kept."""
        said = self._folder / "said"
        with said.open("wb") as output:
            self._process = launch([str(SERVER)], env=self._env, output=output)
        until(lambda: b"Starting broker... completed" in said.read_bytes(), START_SECONDS)

    def family(self) -> list[int]:
        """All its processes."""
        return family(self._process.pid) if self._process is not None else []

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            send(signal.SIGKILL, *self.family())
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        until(self._names_end)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _names_end(self) -> bool:
        """End the daemon of names that Erlang starts beside it; not before it missed the server."""
        done = subprocess.run(
            [str(EPMD), "-kill"], env=self._env, capture_output=True, check=False, timeout=30
        )
        return b"living nodes" not in done.stdout + done.stderr
