"""A tenant's users: put, changed, forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from hiram.lib import ids
from hiram.lib.problems import Problem
from notifications.channel import USER_ID_CHARACTERS
from notifications.models import Preference, Subscriber

_PUT = """
INSERT INTO notifications_subscriber AS s
       (id, tenant_id, mode, user_id, addresses, locale, timezone, attributes)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::jsonb[], %s::text[],
                     %s::text[], %s::jsonb[])
ON CONFLICT (tenant_id, mode, user_id) DO UPDATE
   SET addresses = excluded.addresses, locale = excluded.locale, timezone = excluded.timezone,
       attributes = excluded.attributes, updated_at = statement_timestamp()
RETURNING id
"""

_READ = """
SELECT s.user_id, s.addresses::text, s.locale, s.timezone, t.timezone,
       coalesce(w.quiet_hours, 'null')::text, coalesce(w.send_windows, '[]')::text
  FROM notifications_subscriber s
  JOIN tenants_tenant t ON t.id = s.tenant_id
  LEFT JOIN notifications_preference w
         ON w.tenant_id = s.tenant_id AND w.mode = s.mode AND w.user_id = s.user_id
 WHERE s.tenant_id = %s AND s.mode = %s AND s.user_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a tenant says of one user; addresses are checked and normalised."""

    user_id: str
    addresses: Mapping[str, str]
    locale: str | None
    timezone: str | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class User:
    """What a send needs to know of one; the time zone is the tenant's where the user has none."""

    addresses: Mapping[str, str]
    locale: str | None
    timezone: str
    quiet_hours: Mapping[str, str] | None
    send_windows: Sequence[Mapping[str, Any]]


def put(tenant_id: UUID, mode: str, profiles: Sequence[Profile]) -> dict[str, bool]:
    """Write these users, each as it is given; whether it is new, by its id. All or none.

    The ids are all different.
    """
    made = {ids.new(): p for p in profiles}
    # In one order, so that two batches with the same users do not wait crosswise.
    rows = sorted(
        (
            (
                key, tenant_id, mode, p.user_id, _json(p.addresses), p.locale, p.timezone,
                _json(p.attributes),
            )
            for key, p in made.items()
        ),
        key=lambda row: row[3],
    )  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PUT, [list(column) for column in zip(*rows, strict=True)])
        written = {key for (key,) in cursor.fetchall()}
    return {p.user_id: key in written for key, p in made.items()}


def users(tenant_id: UUID, mode: str, wanted: Iterable[str]) -> dict[str, User]:
    """Those of these users that there are, in one read."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [tenant_id, mode, list(wanted)])
        rows = cursor.fetchall()
    return {
        name: User(json.loads(addresses), locale, timezone or fallback, *map(json.loads, quiet))
        for name, addresses, locale, timezone, fallback, *quiet in rows
    }


def forget(tenant_id: UUID, mode: str, user_id: str) -> bool:
    """Delete the user and what it wants; whether there was one. What was sent stays as it is."""
    of = {"tenant_id": tenant_id, "mode": mode, "user_id": user_id}
    with transaction.atomic():
        Preference.objects.filter(**of).delete()
        gone, _ = Subscriber.objects.filter(**of).delete()
    return bool(gone)


def find_user(tenant_id: UUID, mode: str, user_id: str) -> Subscriber:
    """The user. Raises Problem: 404 where there is none."""
    return _find(tenant_id, mode, user_id, locks=False)


def lock_user(tenant_id: UUID, mode: str, user_id: str) -> Subscriber:
    """The user, who is neither changed nor removed until the transaction ends.

    Raises:
        Problem: 404 where there is none.
    """
    return _find(tenant_id, mode, user_id, locks=True)


def _find(tenant_id: UUID, mode: str, user_id: str, *, locks: bool) -> Subscriber:
    rows = Subscriber.objects.filter(tenant_id=tenant_id, mode=mode, user_id=user_id)
    if locks:
        rows = rows.select_for_update(no_key=True)
    # Neither can be stored, so nobody has such an id.
    can_be = len(user_id) <= USER_ID_CHARACTERS and "\0" not in user_id
    found = rows.first() if can_be else None
    if found is None:
        raise Problem("not-found")
    return found


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value))
