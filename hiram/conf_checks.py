"""What must be set before Hiram may start, with the remedy in the message."""

from __future__ import annotations

from hiram.env import Misconfigured

_LEAST_SECRET = 32


def weak_key(value: str) -> bool:
    """Whether a signing secret is too short or too uniform to resist guessing."""
    return len(value) < _LEAST_SECRET or len(set(value)) < 8


def require_secret(name: str, value: str, *, weak: bool = False) -> None:
    """Refuse to start without a usable value.

    Raises:
        Misconfigured: it is empty or weak.
    """
    if not value:
        raise Misconfigured(
            f"{name} is not set. In development `make up` sets it;"
            " everywhere else set it in the environment (see docs/configuration.md)."
        )
    if weak:
        raise Misconfigured(f"{name} is too weak: use at least {_LEAST_SECRET} random characters.")
