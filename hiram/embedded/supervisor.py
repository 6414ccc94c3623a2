"""Keep processes running: start, log, restart when they die, stop in order.

One thread, asleep until a signal comes or a process says something.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import IO, Self

from hiram.embedded.console import Console
from hiram.embedded.home import Home, Unavailable
from hiram.embedded.launch import Account, launch
from hiram.embedded.orphans import adopt_orphans, end_orphans

STOP_SECONDS = 30.0
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 10.0
_STEADY_SECONDS = 30.0
_LONGEST_LINE = 64 * 1024
_STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Args:
        name: in the log, and of the pid file.
        argv: gives the command; called before each start, so it may make and mend what that needs.
        account: gives the user to run as; called after `argv`.
        stop_signal: asks it to end in order.
        stop_seconds: of the whole stop, what those that stop before it must leave for it.
        death_signal: what the kernel sends it when the supervisor is killed.
    """

    name: str
    argv: Callable[[], list[str]]
    account: Callable[[], Account | None] = lambda: None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 2.0
    death_signal: signal.Signals = signal.SIGKILL


@dataclass(slots=True)
class _Run:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    ended: bool = False


@dataclass(slots=True)
class _Restart:
    program: Program
    delay: float
    due: float


@dataclass(slots=True)
class _Pipe:
    name: str
    file: IO[bytes]
    rest: bytes = field(default=b"", repr=False)


class Supervisor:
    """Runs programs until a stop signal; used in `with`, in the main thread.

    Leaving stops them all, the last started first, within STOP_SECONDS; whoever is not gone by
    its share of that is killed, and all are at a second stop signal.

    Args:
        home: where the pid files go.
        env: the environment of all programs.
        console: where their output goes.
    """

    def __init__(self, home: Home, env: Mapping[str, str], console: Console) -> None:
        self._home, self._env, self._console = home, env, console
        self._runs: dict[str, _Run] = {}
        self._restarts: dict[str, _Restart] = {}
        self._selector = selectors.DefaultSelector()
        self._heard = 0
        self._stopping = False

    def __enter__(self) -> Self:
        adopt_orphans()
        self._ears, self._bell = socket.socketpair()
        self._ears.setblocking(False)
        self._bell.setblocking(False)
        self._selector.register(self._ears, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        self._before = {
            signum: signal.signal(signum, _heard_by_the_bell)
            for signum in (signal.SIGCHLD, *_STOP_SIGNALS)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        signal.set_wakeup_fd(-1)
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        self._selector.close()
        self._ears.close()
        self._bell.close()

    @property
    def asked_to_stop(self) -> bool:
        """Whether a stop signal has come."""
        return self._heard > 0

    def start(self, program: Program) -> None:
        """Start it, and again whenever it ends.

        Raises:
            Unavailable: its first start failed.
        """
        self._restarts[program.name] = _Restart(program, _FIRST_DELAY, float("inf"))
        self._spawn(program)

    def run(self, program: Program, seconds: float) -> None:
        """Run it once to its end.

        Raises:
            Unavailable: it failed, or did not end in time.
        """
        run = self._spawn(program)
        if not self.wait(lambda: run.ended, seconds):
            raise Unavailable(f"{program.name} did not end in {seconds:.0f} s")
        if run.process.returncode:
            raise Unavailable(f"{program.name} failed; its lines in the log say why")

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Keep all running until the condition holds: whether it did in time.

        It is asked after every event and every 0.1 s. A stop signal ends the wait.
        """
        limit = time.monotonic() + seconds
        while not condition():
            left = limit - time.monotonic()
            if left <= 0 or (self.asked_to_stop and not self._stopping):
                return False
            self._turn(min(left, 0.1))
        return True

    def supervise(self) -> None:
        """Keep all running until a stop signal."""
        while not self.asked_to_stop:
            due = min(restart.due for restart in self._restarts.values())
            self._turn(None if due == float("inf") else max(0.0, due - time.monotonic()))

    def _stop(self) -> None:
        self._stopping = True
        limit, heard = time.monotonic() + STOP_SECONDS, self._heard
        order = [run for run in reversed(self._runs.values()) if not run.ended]
        for position, run in enumerate(order):
            run.process.send_signal(run.program.stop_signal)
            later = sum(other.program.stop_seconds for other in order[position + 1 :])
            self.wait(
                lambda run=run: run.ended or self._heard > heard,  # type: ignore[misc]
                limit - later - time.monotonic(),
            )
            if not run.ended:
                self._console.line("up", f"{run.program.name} did not stop in time: killed")
                os.killpg(run.process.pid, signal.SIGKILL)
                run.process.wait()
                self._reap()
        # Their last words.
        self.wait(lambda: len(self._selector.get_map()) == 1, 1)

    def _spawn(self, program: Program) -> _Run:
        process = launch(
            program.argv(),
            env=self._env,
            output=subprocess.PIPE,
            account=program.account(),
            death=program.death_signal,
        )
        if process.stdout:
            pipe = _Pipe(program.name, process.stdout)
            self._selector.register(process.stdout, selectors.EVENT_READ, pipe)
        self._home.write_pid(program.name, process.pid)
        run = self._runs[program.name] = _Run(program, process, time.monotonic())
        return run

    def _turn(self, seconds: float | None) -> None:
        """Wait for one event or the time, and do what follows from it."""
        died = False
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, _Pipe):
                self._copy(key.data)
            else:
                signals = self._ears.recv(4096)
                self._heard += sum(signals.count(signum) for signum in _STOP_SIGNALS)
                died = died or signal.SIGCHLD in signals
        if died:
            self._reap()
        now = time.monotonic()
        for restart in self._restarts.values():
            if restart.due <= now and not self._stopping:
                self._start_again(restart)

    def _copy(self, pipe: _Pipe) -> None:
        data = os.read(pipe.file.fileno(), _LONGEST_LINE)
        *lines, pipe.rest = (pipe.rest + data).split(b"\n")
        if not data or len(pipe.rest) > _LONGEST_LINE:
            lines, pipe.rest = [*lines, pipe.rest], b""
        for line in lines:
            if text := line.decode(errors="replace").rstrip():
                self._console.line(pipe.name, text)
        if not data:
            self._selector.unregister(pipe.file)
            pipe.file.close()

    def _reap(self) -> None:
        """Note who died, end what is left of them, and decide when they start again."""
        for run in self._runs.values():
            if not run.ended and run.process.poll() is not None:
                run.ended = True
                with suppress(ProcessLookupError):
                    os.killpg(run.process.pid, signal.SIGKILL)
                self._home.drop_pid(run.program.name)
                self._mourn(run)
        end_orphans({run.process.pid for run in self._runs.values() if not run.ended})

    def _mourn(self, run: _Run) -> None:
        name, code = run.program.name, run.process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        restart = self._restarts.get(name)
        if restart is None or self._stopping:
            self._console.line("up", f"{name} {how}")
            return
        if time.monotonic() - run.started > _STEADY_SECONDS:
            restart.delay = _FIRST_DELAY
        self._console.line("up", f"{name} (pid {run.process.pid}) {how}")
        self._postpone(restart)

    def _postpone(self, restart: _Restart) -> None:
        self._console.line("up", f"{restart.program.name} starts again in {restart.delay:.1f} s")
        restart.due = time.monotonic() + restart.delay
        restart.delay = min(restart.delay * 2, _LONGEST_DELAY)

    def _start_again(self, restart: _Restart) -> None:
        restart.due = float("inf")
        try:
            run = self._spawn(restart.program)
        except (Unavailable, OSError) as error:
            self._console.line("up", f"{restart.program.name} cannot start: {error}")
            self._postpone(restart)
        else:
            self._console.line("up", f"{restart.program.name} started (pid {run.process.pid})")


def _heard_by_the_bell(signum: int, frame: FrameType | None) -> None:
    """Nothing: the wake-up descriptor has the signal's number by now."""
