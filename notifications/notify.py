"""Notify: whom one call means, on which channels, and who of them must not be written to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import connection

from notifications.accept import Owner
from notifications.statement import REFUSED
from notifications.subscribers import User
from notifications.suppression import digest

_ASK = f"""
SELECT {REFUSED}
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
       place integer, channel text, category text, template text, user_id text, address text)
  LEFT JOIN tenants_categorypolicy p ON p.tenant_id = %(tenant)s AND p.category = r.category
 ORDER BY r.place
"""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One of those whom a call means: a user, addresses by channel, or both."""

    user_id: str | None
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Aim:
    """One recipient on one channel; `refusal` is why it must not be written to there.

    Without an `address` it cannot be reached, without a `channel` on none at all.
    """

    index: int
    channel: str | None
    address: str | None = None
    refusal: str | None = None


def aims(
    recipients: Sequence[Recipient],
    known: Mapping[str, User],
    *,
    wanted: Sequence[str],
    possible: Sequence[str],
) -> list[Aim]:
    """Each recipient on the `wanted` channels; if none are, on the `possible` ones it has."""
    found = []
    for index, one in enumerate(recipients):
        user = known.get(one.user_id) if one.user_id is not None else None
        addresses = {**(user.addresses if user else {}), **one.addresses}
        own = wanted or [channel for channel in possible if channel in addresses]
        found += [Aim(index, name, addresses.get(name)) for name in own] or [Aim(index, None)]
    return found


def judged(
    owner: Owner,
    asked: Sequence[Aim],
    recipients: Sequence[Recipient],
    *,
    categories: Mapping[str, str],
    template: str | None,
) -> list[Aim]:
    """The same, with the refusals as they are now; accepting asks again. One read for all."""
    rows = [
        {
            "place": place,
            "channel": aim.channel,
            "category": categories[aim.channel],
            "template": template,
            "user_id": recipients[aim.index].user_id,
            "address": digest(owner.tenant_id, aim.channel, aim.address).hex(),
        }
        for place, aim in enumerate(asked)
        if aim.channel and aim.address and aim.channel in categories
    ]
    values: dict[str, Any] = {
        "tenant": owner.tenant_id,
        "mode": owner.mode,
        "rows": json.dumps(rows),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ASK, values)
        reasons = [reason for (reason,) in cursor.fetchall()]
    found = list(asked)
    for row, reason in zip(rows, reasons, strict=True):
        place = int(str(row["place"]))
        found[place] = replace(found[place], refusal=reason)
    return found


def first_reachable(asked: Iterable[Aim]) -> list[Aim]:
    """Of each recipient the first channel on which it can and may be written to, or else the
    first on which it can, or else the first."""
    return [
        min(own, key=lambda aim: (aim.address is None, aim.refusal is not None))
        for own in (list(group) for _, group in groupby(asked, attrgetter("index")))
    ]
