"""A development instance: its processes, the way up, and what to tell the newcomer."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, MutableMapping

from hiram.embedded.console import Console
from hiram.embedded.environment import PORTS, ROOT, SIMULATOR_PORTS, publish, simulator
from hiram.embedded.home import Home, Unavailable, is_free
from hiram.embedded.lock import hold
from hiram.embedded.postgres import Postgres
from hiram.embedded.redis import Redis
from hiram.embedded.server import Server
from hiram.embedded.supervisor import Program, Supervisor

READY_SECONDS = 120
_PREPARE_SECONDS = 600
_CELERY = ("-m", "celery", "--quiet", "-A", "hiram.celery")
_WORKER = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")


def manage(name: str, *words: str, stop_seconds: float = 1) -> Program:
    """A management command as a program."""
    argv = [sys.executable, str(ROOT / "manage.py"), *(words or (name,))]
    return Program(name, lambda: argv, stop_seconds=stop_seconds)


def celery(name: str, *words: str, stop_seconds: float = 1) -> Program:
    """A Celery command as a program."""
    argv = [sys.executable, *_CELERY, *words]
    return Program(name, lambda: argv, stop_seconds=stop_seconds)


def programs(processes: str) -> list[Program]:
    """Hiram's own processes, in the order of their start; they stop the other way round."""
    relay = ("worker", "-Q", "relay", "-P", "solo", "-c", "1", "-n", "relay@%h", *_WORKER)
    worker = ("worker", "-Q", "deliver", "-P", "prefork", "-c", processes, "-n", "worker@%h")
    return [
        manage("simulator"),
        celery("worker", *worker, *_WORKER, stop_seconds=6),
        celery("relay", *relay, stop_seconds=2),
        celery("beat", "beat", "--pidfile=", "--loglevel", "INFO"),
        manage("web"),
    ]


def check_ports(environ: Mapping[str, str]) -> None:
    """See that Hiram's own ports can be had.

    Raises:
        Unavailable: one is no port, is taken, or is named twice; the text names the variable.
    """
    seen: dict[int, str] = {}
    for name in PORTS:
        text = environ[name]
        if not text.isdecimal() or not 0 < int(text) < 1 << 16:
            raise Unavailable(f"{name}: expected a port, got {text!r}")
        if other := seen.get(int(text)):
            raise Unavailable(f"{name} and {other} are both {text}")
        if not is_free(int(text), environ.get("HIRAM_HOST") or "127.0.0.1"):
            raise Unavailable(f"port {text} is in use: stop what listens there, or set {name}")
        seen[int(text)] = name


def up(
    home: Home,
    environ: MutableMapping[str, str],
    *,
    tell: Callable[[Unavailable | None], None],
    screen: bool = True,
) -> None:
    """Run the instance until a stop signal.

    Args:
        home: its folder.
        environ: its environment, from `adopt`; brought up to date where a port had to move.
        tell: called once: with None when everything runs, or with the reason why it never will.
        screen: whether the log goes to standard output too.

    Raises:
        Unavailable: it cannot run here, or was not ready in time.
    """
    with hold(home):
        check_ports(environ)
        console = Console(home.log / "hiram.log", screen=screen)
        path = (str(ROOT), environ.get("PYTHONPATH"))
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        with Supervisor(home, environ, console) as supervisor:
            try:
                _start(home, environ, supervisor)
            except Unavailable as error:
                if supervisor.asked_to_stop:
                    return
                console.line("up", str(error))
                tell(error)
                raise
            console.line("up", "ready")
            console.say(banner(facts(home)))
            tell(None)
            supervisor.supervise()


def _start(home: Home, environ: MutableMapping[str, str], supervisor: Supervisor) -> None:
    for stale in home.run.glob("*.pid"):
        stale.unlink()
    shutil.rmtree(home.run / "metrics", ignore_errors=True)
    (home.run / "metrics").mkdir()
    _start_servers(home, environ, supervisor)
    for name in SIMULATOR_PORTS:
        if not is_free(home.port(name)):
            home.move(name)
    environ.update(simulator(home))
    publish(home, environ)
    simulated, *others = programs(environ.get("HIRAM_WORKER_PROCESSES") or "2")
    supervisor.start(simulated)  # which needs no tables
    supervisor.run(manage("prepare"), _PREPARE_SECONDS)
    for program in others:
        supervisor.start(program)
    said = ["nothing"]
    if not supervisor.wait(lambda: _is_ready(environ, said), READY_SECONDS):
        raise Unavailable(f"not ready after {READY_SECONDS} s; /readyz says: {said[-1]}")


def _start_servers(home: Home, environ: MutableMapping[str, str], supervisor: Supervisor) -> None:
    """Start the embedded servers whose addresses the environment has: no other was given."""
    started: list[Server] = []
    ours: dict[str, Server] = {
        "DATABASE_URL": Postgres(home.path),
        "REDIS_URL": Redis(home.path),
    }
    for variable, server in ours.items():
        before = server.url
        if environ.get(variable) != before:
            continue
        supervisor.start(as_program(server))
        started.append(server)
        for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
            if environ.get(name) == before:
                environ[name] = server.url
    for server in started:
        if not supervisor.wait(server.ready, server.patience_seconds):
            raise Unavailable(f"{server.name} did not start; its lines in the log say why")


def as_program(server: Server) -> Program:
    """The server as something to supervise: each start first mends what a crash left."""

    def argv() -> list[str]:
        server.prepare()
        return server.argv

    return Program(
        server.name,
        argv,
        account=lambda: server.account,
        stop_signal=server.stop_signal,
        stop_seconds=server.stop_seconds,
        death_signal=server.stop_signal,
    )


def _is_ready(environ: Mapping[str, str], said: list[str]) -> bool:
    port = int(environ["HIRAM_OPS_PORT"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said.append(f"{answer.status} {answer.read(1000).decode(errors='replace')}")
    except (OSError, http.client.HTTPException):
        return False
    else:
        return answer.status == http.client.OK
    finally:
        connection.close()


def facts(home: Home) -> dict[str, str]:
    """What the demo tenant's maker wrote down: addresses, logins, keys."""
    return dict(json.loads((home.path / "demo.json").read_text()))


def banner(known: Mapping[str, str]) -> str:
    """What a newcomer needs, ready to paste, from the `facts`."""
    password = known["portal_password"] or "(the password you chose)"
    return f"""
Hiram is up. Send a mail:

{known["curl"]}

mailbox  {known["mailbox_url"]}
portal   {known["portal_url"]}   {known["portal_user"]}   {password}
"""
