"""Keeps web pages away from the simulator.

It listens on loopback without a password, so any page in a developer's browser could reach it:
by a form or a script (`Origin`, `Sec-Fetch-Site`), or under a name that the page's owner points at
127.0.0.1 (DNS rebinding; the `Host` header tells).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address

LOCAL_NAMES = frozenset({"localhost", "simulator.test"})


def objection(headers: Mapping[str, str], allowed_hosts: Collection[str]) -> str | None:
    """Why a request must not be answered, or None.

    `allowed_hosts` are host names besides loopback's own by which we may be addressed.
    """
    host = headers.get("host", "")
    if not _ours(host, allowed_hosts):
        return "the Host header does not name this simulator"
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        return "the request comes from a page of another origin"
    if headers.get("sec-fetch-site", "").lower() == "cross-site":
        return "the request comes from a page of another site"
    return None


def _ours(host: str, allowed_hosts: Collection[str]) -> bool:
    name = _without_port(host).lower()
    if name in LOCAL_NAMES or name in allowed_hosts:
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
