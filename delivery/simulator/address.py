"""Where a running simulator listens, as a file that other processes read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Address:
    """Where the SMTP server and the HTTP endpoints are."""

    smtp_host: str
    smtp_port: int
    http_url: str


def address_file(home: Path) -> Path:
    """`run/simulator.json` under Hiram's home."""
    return home / "run" / "simulator.json"


def write_address(home: Path, address: Address) -> None:
    """Announce the address, all at once: a reader never sees half of it."""
    path = address_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(asdict(address)) + "\n", encoding="utf-8")
    new.replace(path)


def read_address(home: Path) -> Address | None:
    """The address that was announced last; None if no simulator runs here."""
    try:
        return Address(**json.loads(address_file(home).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remove_address(home: Path, address: Address) -> None:
    """Withdraw the address, unless another simulator has announced its own since."""
    if read_address(home) == address:
        address_file(home).unlink(missing_ok=True)
