"""Typed values from the environment, loud when they are wrong.

Every variable NAME may be given as NAME_FILE instead, the path of a file that holds the value
(secrets mounted by Docker or Kubernetes). Each read is recorded in `KNOWN`, from which
`docs/configuration.md` is checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_SERVER = re.compile(r"(?:\[(?P<six>.+)\]|(?P<four>[^:]+))(?::(?P<port>[0-9]{1,5}))?|(?P<bare>.+)")


class Misconfigured(SystemExit):
    """A variable is missing or unreadable; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable that the product reads, with its default as text."""

    name: str
    default: str
    about: str


KNOWN: dict[str, Variable] = {}


def raw(name: str) -> str | None:
    """The variable's text, or its NAME_FILE's content without the last newline; else None.

    An empty NAME gives way to NAME_FILE, since compose files leave one where nothing was set.
    """
    value = os.environ.get(name)
    path = os.environ.get(f"{name}_FILE")
    if value or not path:
        return value
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misconfigured(f"{name}_FILE: cannot read {path}: {why}") from error


def _read(name: str, default: T, about: str, parse: Callable[[str], T]) -> T:
    KNOWN[name] = Variable(name, _shown(default), about)
    text = raw(name)
    if text is None:
        return default
    try:
        return parse(text.strip())
    except ValueError as error:
        raise Misconfigured(f"{name}: {error}") from error


def _shown(default: object) -> str:
    """The default as one would write it into the environment."""
    if isinstance(default, bool):
        return "true" if default else "false"
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def text(name: str, default: str = "", *, about: str) -> str:
    """A string."""
    return _read(name, default, about, str)


def integer(name: str, default: int, *, about: str, least: int = 0) -> int:
    """A whole number not under `least`."""

    def parse(value: str) -> int:
        if not value.lstrip("-").isdecimal() or int(value) < least:
            raise ValueError(f"expected a whole number of at least {least}, got {value!r}")
        return int(value)

    return _read(name, default, about, parse)


def number(name: str, default: float, *, about: str, least: float = 0) -> float:
    """A decimal number not under `least`."""

    def parse(value: str) -> float:
        try:
            parsed = float(value)
        except ValueError:
            parsed = float("nan")
        if not least <= parsed < float("inf"):
            raise ValueError(f"expected a number of at least {least}, got {value!r}")
        return parsed

    return _read(name, default, about, parse)


def flag(name: str, default: bool, *, about: str) -> bool:
    """`1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off` or empty."""

    def parse(value: str) -> bool:
        if value.lower() in {"1", "true", "yes", "on"}:
            return True
        if value.lower() in {"0", "false", "no", "off", ""}:
            return False
        raise ValueError(f"expected true or false, got {value!r}")

    return _read(name, default, about, parse)


def words(name: str, default: tuple[str, ...] = (), *, about: str) -> tuple[str, ...]:
    """A comma-separated list, without blanks."""
    return _read(
        name, default, about, lambda v: tuple(w.strip() for w in v.split(",") if w.strip())
    )


def networks(
    name: str, default: tuple[str, ...], *, about: str
) -> tuple[IPv4Network | IPv6Network, ...]:
    """A comma-separated list of CIDR networks."""
    found = words(name, default, about=about)
    try:
        return tuple(ip_network(word) for word in found)
    except ValueError as error:
        raise Misconfigured(f"{name}: {error}") from error


def servers(name: str, *, port: int, about: str) -> tuple[tuple[str, int], ...]:
    """A comma-separated list of `address`, `address:port` or `[address]:port`, as pairs; where none
    is given the port is `port`."""
    try:
        return tuple(_server(word, port) for word in words(name, about=about))
    except ValueError as error:
        raise Misconfigured(f"{name}: {error}") from error


def _server(text: str, port: int) -> tuple[str, int]:
    found = _SERVER.fullmatch(text)
    number = int(found["port"] or port) if found else 0
    if found is None or not 0 < number < 65_536:
        raise ValueError(f"expected an address, or address:port, got {text!r}")
    return str(ip_address(found["six"] or found["four"] or found["bare"])), number


def choice(name: str, default: str, options: tuple[str, ...], *, about: str) -> str:
    """One of the options."""

    def parse(value: str) -> str:
        if value not in options:
            raise ValueError(f"expected one of {', '.join(options)}, got {value!r}")
        return value

    return _read(name, default, about, parse)
