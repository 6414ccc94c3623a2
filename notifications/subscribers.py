"""Subscribers: a tenant's users, found by the tenant's own ids."""

from __future__ import annotations

from uuid import UUID

from hiram.lib.problems import Problem
from notifications.models import Subscriber

USER_ID_CHARACTERS = 256


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
