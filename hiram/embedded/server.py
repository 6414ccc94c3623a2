"""What an embedded server is to those who start it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from hiram.embedded.home import Home, Unavailable, is_free
from hiram.embedded.launch import Account, launch


class Server(ABC):
    """One server of an instance, with its data under the home.

    `start` and `stop` run it alone; a supervisor calls `prepare`, runs `argv` as `account`, waits
    for `ready` and ends it by `stop_signal`.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    stop_seconds: ClassVar[float] = 1
    patience_seconds: ClassVar[float] = 60

    def __init__(self, home: Path) -> None:
        self.home = Home(home.resolve())
        self.account: Account | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1, the same at every start unless somebody else has it."""
        return self._port or self.home.port(self.name)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients reach it, password included."""

    @property
    @abstractmethod
    def argv(self) -> list[str]:
        """The command."""

    @abstractmethod
    def prepare(self) -> None:
        """Make and mend what the start needs.

        Raises:
            Unavailable: it cannot be started here.
        """

    @abstractmethod
    def ready(self) -> bool:
        """Whether it takes connections and its first contents are in place."""

    @property
    def pid(self) -> int | None:
        """The running process, if `start` started one."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and return when it is ready.

        Raises:
            Unavailable: it ended or was not ready in time; its last words are in the text.
        """
        self.prepare()
        log = self.home.log / f"{self.name}.log"
        with log.open("ab") as output:
            said = output.tell()
            self._process = launch(
                self.argv, output=output, account=self.account, death=self.stop_signal
            )
        self.home.write_pid(self.name, self._process.pid)
        limit = time.monotonic() + self.patience_seconds
        while not self.ready():
            if self._process.poll() is not None or time.monotonic() > limit:
                self.stop()
                raise Unavailable(f"{self.name} did not start: {log.read_text()[said:].strip()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it if it runs, in order, else by force; return when it is gone."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(self.patience_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None
        self.home.drop_pid(self.name)

    def take_port(self) -> None:
        """Keep the remembered port, or move away from whoever has it, once in our life.

        Later starts keep what clients were told.
        """
        if self._port is None:
            known = self.home.port(self.name)
            self._port = known if is_free(known) else self.home.move(self.name)
