"""What Hiram stands on: configuration, PostgreSQL, Redis, the broker, the processes."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu import Connection
from redis import Redis

from delivery.management.diagnosis.finding import BROKEN, OK, WARNING, Finding, rows, said
from delivery.tasks import BEAT_KEY
from hiram.lib.vault import BadKey, Vault
from hiram.ops import unsafe_durability

LEAST_POSTGRES = 150_000
BEAT_SECONDS = 10
CLOCK_WARNING_SECONDS, CLOCK_BROKEN_SECONDS = 2, 60
REACH_SECONDS = 3

_DISTINCT_OCTETS = 20
"""Of 32 random octets, fewer are distinct in less than one of a billion keys."""


def configuration() -> Iterator[Finding]:
    """Values that work and should not be."""
    try:
        Vault(settings.ENCRYPTION_KEYS)
    except BadKey as error:
        yield Finding(
            "encryption_keys",
            BROKEN,
            f"HIRAM_ENCRYPTION_KEYS: {error}.",
            "Make one: python -c 'from hiram.lib.vault import Vault; print(Vault.new_key())'",
        )
        return
    if any(_looks_typed(key) for key in settings.ENCRYPTION_KEYS):
        yield Finding(
            "encryption_keys",
            BROKEN if settings.PRODUCTION else WARNING,
            "A key of HIRAM_ENCRYPTION_KEYS was not made at random.",
            "Put a new key in front, restart, run rotate_encryption, take the old one away.",
        )
    if settings.PRODUCTION:
        yield from _production()
    yield Finding("configuration", OK, f"{settings.ENVIRONMENT}, {settings.PUBLIC_URL}")


def _production() -> Iterator[Finding]:
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme != "https":
        text = "Passwords and keys reach HIRAM_PUBLIC_URL without TLS."
        yield Finding("public_url", WARNING, text, "Set HIRAM_PUBLIC_URL to the https address.")
    if "*" in settings.ALLOWED_HOSTS:
        text = "Requests may name any host, so that links in mails can be forged."
        yield Finding("allowed_hosts", WARNING, text, "List the names in HIRAM_ALLOWED_HOSTS.")
    if settings.OUTBOUND_ALLOW or settings.OUTBOUND_HTTP:
        text = "Tenants may make Hiram connect to inner networks, or without TLS."
        remedy = "Keep HIRAM_OUTBOUND_ALLOW to what is needed and HIRAM_OUTBOUND_HTTP off."
        yield Finding("outbound", WARNING, text, remedy)
    if settings.SIMULATOR_SMTP or settings.SIMULATOR_URL:
        text = "Test keys send to the simulator."
        yield Finding("simulator", WARNING, text, "Unset HIRAM_SIMULATOR_SMTP and _URL.")


def _looks_typed(key: str) -> bool:
    raw = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    return len(set(raw)) < _DISTINCT_OCTETS or all(32 <= octet < 127 for octet in raw)


def database() -> Iterator[Finding]:
    """Reachable, and new enough."""
    try:
        connection.ensure_connection()
        [(version,)] = rows("SELECT current_setting('server_version_num')::int")
    except DatabaseError as error:
        remedy = "Start PostgreSQL, or mend DATABASE_URL."
        yield Finding("database", BROKEN, said(error), remedy)
        return
    if version < LEAST_POSTGRES:
        text = f"PostgreSQL {version // 10_000} is too old."
        yield Finding("database", BROKEN, text, "Use PostgreSQL 15 or newer.")
        return
    yield Finding("database", OK, f"PostgreSQL {version // 10_000}")


def durability() -> Iterator[Finding]:
    """Whether PostgreSQL keeps what it confirms."""
    with connection.cursor() as cursor:
        unsafe = unsafe_durability(cursor)
    if unsafe:
        text = f"{', '.join(unsafe)} off: a crash can lose what was confirmed."
        yield Finding("durability", BROKEN, text, "Turn it on in postgresql.conf and reload.")
    else:
        yield Finding("durability", OK, "fsync, full_page_writes and synchronous_commit are on")


def migrations() -> Iterator[Finding]:
    """All applied."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = ", ".join(f"{step.app_label}.{step.name}" for step, _ in plan[:5])
        text = f"{len(plan)} not applied: {names}"
        yield Finding("migrations", BROKEN, text, "Run manage.py migrate.")
    else:
        yield Finding("migrations", OK, "all applied")


def clock(now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """This machine against PostgreSQL, whose clock decides what is due."""
    before = now()
    [(theirs,)] = rows("SELECT extract(epoch FROM clock_timestamp())::float")
    ahead = (before + now()) / 2 - theirs
    state = OK
    if abs(ahead) > CLOCK_WARNING_SECONDS:
        state = BROKEN if abs(ahead) > CLOCK_BROKEN_SECONDS else WARNING
    text = f"this machine and PostgreSQL differ by {abs(ahead):.3f} s"
    yield Finding("clock", state, text, "" if state == OK else "Synchronise both (NTP).")


def redis() -> Iterator[Finding]:
    """Reachable."""
    try:
        Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=REACH_SECONDS,
            socket_connect_timeout=REACH_SECONDS,
        ).ping()
    except Exception as error:
        remedy = "Start Redis, or mend REDIS_URL. Until then Hiram delivers, more slowly."
        yield Finding("redis", BROKEN, said(error), remedy)
    else:
        yield Finding("redis", OK, "answers")


def broker() -> Iterator[Finding]:
    """Reachable."""
    quick = {"socket_timeout": REACH_SECONDS, "socket_connect_timeout": REACH_SECONDS}
    url = settings.CELERY_BROKER_URL
    options = {} if url.startswith("amqp") else quick
    try:
        with Connection(url, connect_timeout=REACH_SECONDS, transport_options=options) as line:
            line.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0, timeout=REACH_SECONDS
            )
    except Exception as error:
        remedy = "Start the broker, or mend CELERY_BROKER_URL. Until then the watchdogs deliver."
        yield Finding("broker", BROKEN, said(error), remedy)
    else:
        yield Finding("broker", OK, f"{urlsplit(url).scheme} answers")


def beat() -> Iterator[Finding]:
    """Heard lately, by the relay."""
    heard = cache.get(BEAT_KEY)
    remedy = "Start one beat and one relay: celery -A hiram.celery beat, and a worker -Q relay."
    if heard is None:
        yield Finding("beat", BROKEN, "never heard", remedy)
        return
    seconds = time.time() - float(heard)
    late = seconds > BEAT_SECONDS
    text = f"heard {seconds:.0f} s ago"
    yield Finding("beat", BROKEN if late else OK, text, remedy if late else "")


def processes() -> Iterator[Finding]:
    """Those that `up` started on this machine."""
    dead = []
    files = sorted(Path(settings.HIRAM_HOME, "run").glob("*.pid"))
    for file in files:
        text = file.read_text(encoding="utf-8").strip()
        if not (text.isdecimal() and _lives(int(text))):
            dead.append(file.stem)
    if dead:
        text = f"not running: {', '.join(dead)}"
        yield Finding("processes", BROKEN, text, "Run manage.py down, then up.")
    elif files:
        yield Finding("processes", OK, f"running: {', '.join(file.stem for file in files)}")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
