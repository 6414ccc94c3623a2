"""The simulator as one thing: its servers on one event loop, in a thread or as a process."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from delivery.simulator.address import Address, remove_address, write_address
from delivery.simulator.cloud import Cloud
from delivery.simulator.faults import Faults
from delivery.simulator.journal import Journal
from delivery.simulator.mailbox import MAX_MESSAGES, Filter, Mailbox, Received
from delivery.simulator.orders import Order
from delivery.simulator.smtp import SmtpServer
from delivery.simulator.tls import Certificate
from delivery.simulator.views import shown
from delivery.simulator.web import MAX_HEAD, WebServer

T = TypeVar("T")

START_SECONDS = 10
CALL_SECONDS = 60
LOOP_TURNS = 10
BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Config:
    """How a simulator is run; port 0 is any free one.

    `home`: Hiram's home, where mail is kept over restarts and the address is announced; None
    keeps nothing. `password`: the only one that SMTP logins may have. `certificate`: switches
    STARTTLS and a TLS listener (`smtps_port`) on. `allowed_hosts`: names besides loopback's under
    which HTTP requests may address us. `page`: the mailbox for people, where a browser is sent
    that asks for `/`.
    """

    host: str = "127.0.0.1"
    smtp_port: int = 0
    http_port: int = 0
    smtps_port: int = 0
    home: Path | None = None
    password: str | None = None
    certificate: Certificate | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_messages: int = MAX_MESSAGES
    page: str = ""


class Listeners:
    """The listening sockets of one run."""

    def __init__(self, config: Config, cloud: Cloud) -> None:
        self._config = config
        context = config.certificate.context() if config.certificate else None
        self._smtp = SmtpServer(
            cloud.mailbox, cloud.faults, password=config.password, context=context
        )
        self._web = WebServer(cloud)
        self._servers: list[asyncio.Server] = []

    async def open(self, ports: Sequence[int]) -> list[int]:
        """Listen on the SMTP, HTTP and SMTPS ports; the ports it became. Raises `OSError`."""
        loop, host, smtp = asyncio.get_running_loop(), self._config.host, self._smtp
        opening = [
            loop.create_server(smtp.plain, host, ports[0], backlog=BACKLOG),
            asyncio.start_server(self._web.serve, host, ports[1], limit=MAX_HEAD, backlog=BACKLOG),
        ]
        if smtp.context is not None:
            opening.append(loop.create_server(smtp.tls, host, ports[2], ssl=smtp.context))
        opened = await asyncio.gather(*opening, return_exceptions=True)
        self._servers = [server for server in opened if isinstance(server, asyncio.Server)]
        for failure in opened:
            if isinstance(failure, BaseException):
                raise failure
        return [server.sockets[0].getsockname()[1] for server in self._servers]

    async def close(self) -> None:
        """Stop listening and end every connection."""
        loop = asyncio.get_running_loop()
        for server in self._servers:
            for listening in server.sockets:
                loop.remove_reader(listening)
        # asyncio makes a connection over some turns of its loop, and loses track of one that it
        # is making when its server closes; what we abort is also gone only some turns later.
        await _turn_over()
        for server in self._servers:
            server.close()
        await asyncio.gather(self._web.close(), self._smtp.close())
        await _turn_over()


class Simulator:
    """A simulator in a thread of its own: `with Simulator() as sim: ...`.

    State is touched only in that thread; every method may be called from any other. Stopped and
    started again it has the same ports, mail and faults.
    """

    def __init__(self, config: Config | None = None) -> None:
        self._config = config or Config()
        home = self._config.home
        journal = None if home is None else Journal(home / "mailbox")
        mailbox = Mailbox(journal, max_messages=self._config.max_messages)
        hosts = (self._config.host, *self._config.allowed_hosts)
        self._cloud = Cloud(mailbox, Faults(), hosts, self._config.page)
        self._ports = [self._config.smtp_port, self._config.http_port, self._config.smtps_port]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, in a new thread.

        Raises `OSError` when a port is in use or the address cannot be announced.
        """
        if self._thread is not None:
            raise RuntimeError("the simulator runs already")
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(ready)), name="simulator", daemon=True
        )
        self._thread.start()
        try:
            ready.result(START_SECONDS)
        except OSError:
            self._thread = None
            raise

    def stop(self) -> None:
        """Stop listening and end every connection; what arrived can still be looked at."""
        thread, loop = self._thread, self._loop
        if thread is None:
            return
        if loop is not None:
            loop.call_soon_threadsafe(self._stop.set)
        thread.join()
        self._thread = None

    async def _run(self, ready: Future[None]) -> None:
        self._stop = asyncio.Event()
        listeners = Listeners(self._config, self._cloud)
        try:
            self._ports = await listeners.open(self._ports)
            self._announce(write_address)
        except OSError as error:
            await listeners.close()
            ready.set_exception(error)
            return
        self._loop = asyncio.get_running_loop()
        ready.set_result(None)
        await self._stop.wait()
        self._announce(remove_address)
        await listeners.close()
        self._loop = None
        self._cloud.mailbox.close()

    def _announce(self, how: Callable[[Path, Address], None]) -> None:
        if self._config.home is not None:
            how(self._config.home, self.address)

    @property
    def smtp_host(self) -> str:
        """The host that everything listens on."""
        return self._config.host

    @property
    def smtp_port(self) -> int:
        """SMTP, with STARTTLS where there is a certificate."""
        return self._ports[0]

    @property
    def smtps_port(self) -> int:
        """SMTP over TLS from the start, where there is a certificate."""
        return self._ports[2]

    @property
    def http_url(self) -> str:
        """The root of the HTTP endpoints, without a last slash."""
        host = self._config.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._ports[1]}"

    @property
    def address(self) -> Address:
        """What `run/simulator.json` says."""
        return Address(self.smtp_host, self.smtp_port, self.http_url)

    def order(self, **order: Any) -> str:
        """Order a fault, by the fields of `orders.Order`; its id.

        Raises `pydantic.ValidationError`.
        """
        return self._call(lambda: self._cloud.faults.order(Order.model_validate(order)).id)

    def faults(self) -> list[dict[str, Any]]:
        """The orders, with how often each happened."""
        return self._call(lambda: [shown(fault) for fault in self._cloud.faults.all()])

    def messages(self, **wanted: Any) -> list[Received]:
        """What arrived, newest first; `wanted` as the fields of `mailbox.Filter`."""
        return self._call(lambda: list(self._cloud.mailbox.find(Filter(**wanted))))

    def wait_for(self, count: int, *, timeout: float = 10, **wanted: Any) -> list[Received]:
        """The same, once there are `count` at least. Raises `TimeoutError` after `timeout` s."""
        deadline = time.monotonic() + timeout
        while (there := self.count(**wanted)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{there} of {count} messages arrived: {wanted}")
            threading.Event().wait(0.01)
        return self.messages(**wanted)

    def count(self, **wanted: Any) -> int:
        """How many `messages` there are."""
        return self._call(lambda: self._cloud.mailbox.count(Filter(**wanted)))

    def arrivals(self) -> list[dict[str, Any]]:
        """Every arrival since the last `clear`, oldest first: one for each recipient."""
        return [json.loads(line) for line in self._call(self._cloud.mailbox.arrivals)]

    def called_back(self, count: int, *, timeout: float = 10) -> list[int]:
        """How callbacks were answered, once there are `count` answers at least; 0 is none.

        Raises `TimeoutError` after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while len(answers := list(self._cloud.caller.answers)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(answers)} of {count} callbacks were answered")
            threading.Event().wait(0.01)
        return answers

    def clear(self) -> None:
        """Forget mail, arrivals, faults and idempotency keys."""
        self._call(self._cloud.clear)

    def _call(self, what: Callable[[], T]) -> T:
        """Do something in the thread that owns the state."""
        if self._loop is None:
            return what()
        return asyncio.run_coroutine_threadsafe(_result(what), self._loop).result(CALL_SECONDS)


async def _turn_over() -> None:
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)


async def _result(what: Callable[[], T]) -> T:
    return what()
