"""A tenant's users for people to look at: found by id or address, and what each wants."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from hiram.lib.problems import Problem
from notifications.accept import Owner
from notifications.api.options import address_of
from notifications.models import Consent, Notification, Subscriber, Template
from notifications.preferences import required_categories, wants, wishes
from notifications.shelves import channels
from portal.queries.patience import TooMuch, patience

CATEGORIES = ("transactional", "operational", "marketing")
LATEST = 20
SLUGS = 200
"""That are proposed where one is asked for."""


def search(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """The rows of this id, or of this address on whichever channel, however it is spelt."""
    text = text.strip()
    found = Q(user_id=text)
    for channel in channels:
        with suppress(Problem):
            found |= Q(addresses__contains={channel: address_of(channel, text)})
    return rows.filter(found)


def preferences(user: Subscriber) -> dict[str, Any]:
    """What the user has said, and what each category means now on each channel."""
    said = wishes(Owner(user.tenant_id, user.mode), user.user_id)
    required = required_categories(user.tenant_id)
    rows = []
    for category in CATEGORIES:
        own = said.categories.get(category, {})
        now = [
            (channel, wants(said, category, channel, required), _why(category, channel, own, required))
            for channel in channels
        ]  # fmt: skip
        rows.append((category, now))
    return {
        "categories": rows,
        "templates": [
            (slug, channel, yes)
            for slug, by_channel in sorted(said.templates.items())
            for channel, yes in sorted(by_channel.items())
        ],
        "quiet_hours": said.quiet_hours,
        "send_windows": said.send_windows,
    }


def _why(category: str, channel: str, said: dict[str, bool], required: frozenset[str]) -> str:
    if category in required:
        return "required"
    return "said so" if channel in said else "nothing said"


def slugs(tenant_id: UUID) -> list[str]:
    """Of the tenant's templates, the first ones."""
    rows = Template.objects.filter(tenant_id=tenant_id).order_by("slug").distinct()
    return list(rows.values_list("slug", flat=True)[:SLUGS])


def consents(user: Subscriber) -> list[Consent]:
    """The latest receipts."""
    of = {"tenant_id": user.tenant_id, "mode": user.mode, "user_id": user.user_id}
    return list(Consent.objects.filter(**of).order_by("-created_at", "-id")[:LATEST])


def latest(user: Subscriber) -> list[Notification] | None:
    """The newest notifications to the user; None where finding them takes too long."""
    of = {"tenant_id": user.tenant_id, "mode": user.mode, "user_id": user.user_id}
    try:
        with patience():
            return list(Notification.objects.filter(**of).order_by("-created_at", "-id")[:LATEST])
    except TooMuch:
        return None
