"""Audience: whom a request means, and what its template says to them.

What a caller leaves to Hiram is filled in here: a user's address, in as many reads for a thousand
as for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hiram.lib.problems import FieldError
from notifications.accept import NOWHERE, Origin, Owner
from notifications.models import Subscriber
from notifications.shelves import channels
from notifications.subscribers import users


@dataclass(frozen=True, slots=True)
class Filled:
    """A body with nothing left to fill in, or what stands against it, in pointers into it."""

    body: Any
    origin: Origin = NOWHERE
    errors: tuple[FieldError, ...] = ()


def fill(owner: Owner, bodies: Sequence[Any]) -> list[Filled]:
    """The bodies as their channels take them.

    Nothing is read where nothing is left out. What is not of the right type stays as it is: the
    channel's own check will say so.
    """
    named = {name for body in bodies if (name := _user_of(body)) is not None}
    if not named:
        return [Filled(body) for body in bodies]
    known = users(owner.tenant_id, owner.mode, named)
    return [_filled(body, known) for body in bodies]


def _user_of(body: Any) -> str | None:
    name = body.get("user_id") if isinstance(body, dict) else None
    return name if isinstance(name, str) and "\0" not in name else None


def _filled(body: Any, known: Mapping[str, Subscriber]) -> Filled:
    name = _user_of(body)
    if name is None or "recipient" in body or body.get("channel") not in channels:
        return Filled(body)
    user, channel = known.get(name), body["channel"]
    if user is None:
        text = "There is no such user; put it first, or give a recipient."
        return Filled(body, errors=(FieldError("/user_id", "unknown_user", text),))
    address = user.addresses.get(channel)
    if address is None:
        text = f"This user has no address on {channel}."
        return Filled(body, errors=(FieldError("/user_id", "unreachable", text),))
    return Filled({**body, "recipient": address})
