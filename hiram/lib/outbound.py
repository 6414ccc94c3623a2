"""The guard of every connection to an address that a tenant chose (OWASP API7, SSRF).

A host is resolved once, every address it has is checked, and a checked address is connected to,
so a name that changes between check and connect gains nothing. Denied networks are listed here
and not asked of `ipaddress.is_global`, which lets multicast, 6to4 relays, IPv4-compatible and
NAT64 addresses through.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import certifi
import idna

from hiram.lib.deadline import current

LOOKUP_SECONDS = 5.0
LOOKUPS = 64

# IANA special-purpose registries (RFC 6890), and what clouds put on public addresses.
_DENIED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform and metadata host
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        # Only 2000::/3 is given out as global unicast: everything else goes, and with it loopback,
        # mapped, compatible, NAT64, discard-only, unique local, link-local, site-local, multicast.
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # IETF protocols: Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",
        "3ffe::/16",
        "3fff::/20",
    )
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII | re.IGNORECASE)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows besides public hosts: these networks, and plain text protocols."""

    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    plain: bool = False


class NotSent(Exception):
    """Surely no byte of a request left: it may be tried again, and nothing happens twice."""


class Refused(NotSent):
    """The guard does not let this process connect there. The message is for the tenant."""


_policy = Policy()
_lookups: dict[str, Future[list[str]]] = {}
_lock = threading.Lock()


def _forked() -> None:
    """Start anew in a child process: a fork copies the lock but not the threads."""
    global _lock
    _lock = threading.Lock()
    _lookups.clear()


os.register_at_fork(after_in_child=_forked)


def use(policy: Policy) -> None:
    """Make `policy` the one of this process, for connections from now on."""
    global _policy
    _policy = policy


def policy() -> Policy:
    """The policy of this process; strict until `use` was called."""
    return _policy


def check(host: str, port: int, *, timeout: float = LOOKUP_SECONDS) -> None:
    """Raise Refused unless every address of `host` may be connected to.

    Raises OSError (socket.gaierror) when the name cannot be resolved within `timeout` seconds.
    What passes is checked again at each connection.
    """
    _allowed(host, port, timeout)


def connect(host: str, port: int, *, timeout: float) -> socket.socket:
    """Connect to a checked address of `host`, within `timeout` seconds and the current limit.

    The time includes the name lookup. The socket is watched by the current limit; its own
    time-out is the caller's to set. Raises Refused, or OSError when no address answers.
    """
    limit = current()
    if limit is not None:
        timeout = min(timeout, limit.remaining())
    end = time.monotonic() + timeout
    addresses = _allowed(host, port, timeout)
    error: OSError = TimeoutError("no time left to connect")
    for place, address in enumerate(addresses):
        share = (end - time.monotonic()) / (len(addresses) - place)
        if share <= 0:
            break
        try:
            sock = _open(address, port, share)
        except OSError as failed:
            error = failed
            continue
        if limit is not None:
            limit.watch(sock)
        return sock
    raise error


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """The one client context: certificate and host name verified, system and certifi roots."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(certifi.where())
    return context


def _open(address: Address, port: int, timeout: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.connect((str(address), port))
    except OSError:
        sock.close()
        raise
    return sock


def _allowed(host: str, port: int, timeout: float) -> list[Address]:
    """Every address of `host`, all of them checked: one bad among good ones is an attack."""
    if not 0 < port < 65536:
        raise Refused(f"port {port} is not between 1 and 65535")
    addresses = _addresses(host, timeout)
    if not all(_passes(address) for address in addresses):
        raise Refused(f"{host} is not an allowed destination")
    return addresses


def _passes(address: Address) -> bool:
    if any(address in network for network in _policy.allow):
        return True
    return not any(address in network for network in _DENIED)


def plain_host(host: str) -> str:
    """`host` as resolvers and certificates have it: an address, or a name in ASCII.

    Raises Refused for what a resolver would read as a number or a zone.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if (address := _literal(bare)) is not None:
        return str(address)
    try:
        name = bare if bare.isascii() else idna.encode(bare, uts46=True).decode("ascii")
    except UnicodeError:
        raise Refused(f"{host!r} is not a host name") from None
    labels = name.removesuffix(".").split(".")
    whole = len(name) <= 254 and all(_LABEL.fullmatch(label) for label in labels)
    if not whole or _NUMBER.fullmatch(labels[-1]):
        raise Refused(f"{host!r} is not a host name")
    return name


def _literal(text: str) -> Address | None:
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None


def _addresses(host: str, timeout: float) -> list[Address]:
    name = plain_host(host)
    if (address := _literal(name)) is not None:
        return [address]
    if name.removesuffix(".").rpartition(".")[2].lower() == "localhost":
        name = "localhost"  # RFC 6761 section 6.3
    found = _look_up(name, timeout)
    return [ipaddress.ip_address(address.partition("%")[0]) for address in found]


def _look_up(name: str, timeout: float) -> list[str]:
    """The addresses of `name`. Nothing interrupts getaddrinfo, so it runs in a thread of its own.

    Callers who ask for the same name share one lookup: a slow name holds one of the places.
    """
    with _lock:
        future = _lookups.get(name)
        if future is None:
            if len(_lookups) >= LOOKUPS:
                raise socket.gaierror(socket.EAI_AGAIN, "too many name lookups are waiting")
            future = Future()
            try:
                threading.Thread(target=_resolve, args=(name, future), daemon=True).start()
            except RuntimeError as error:
                raise OSError(f"no name lookup: {error}") from error
            _lookups[name] = future
    try:
        return future.result(timeout)
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "the name lookup took too long") from None


def _resolve(name: str, future: Future[list[str]]) -> None:
    """Who asks after the answer has come asks anew: nothing is cached."""
    found: list[str] = []
    failed: Exception | None = None
    try:
        entries = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
    except Exception as error:
        failed = error
    with _lock:
        _lookups.pop(name, None)
    if failed is None:
        future.set_result(found)
    else:
        future.set_exception(failed)
