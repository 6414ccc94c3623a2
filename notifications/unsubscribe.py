"""Unsubscribe: what a recipient says by a link, without being asked who they are."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from hiram.lib.problems import Problem
from notifications.accept import Owner
from notifications.consent import keep, obey
from notifications.models import Consent, Notification, Subscriber, Suppression
from notifications.preferences import required_categories, wants, wishes, write
from notifications.subscribers import find_user, lock_user
from notifications.suppression import suppress
from notifications.withhold import withhold_from_addresses, withhold_from_user


def user_of(row: Notification) -> Subscriber | None:
    """To whom it went, if that is a user and still there."""
    try:
        return find_user(row.tenant_id, row.mode, row.user_id) if row.user_id else None
    except Problem:
        return None


def unsubscribe(row: Notification) -> bool:
    """Send its recipient nothing of its category on its channel any more; a second time is as good.

    Of a user it is a preference, of an address alone a suppression for the category. False where
    the category is required: nobody can opt out of that.
    """
    if row.category in required_categories(row.tenant_id):
        return False
    user = user_of(row)
    if user is not None:
        return _as_user(user, row)
    if row.recipient:
        suppress(
            row.tenant_id, row.mode, row.channel, row.recipient,
            Suppression.Reason.UNSUBSCRIBED, "unsubscribe", category=row.category,
        )  # fmt: skip
        withhold_from_addresses(Owner(row.tenant_id, row.mode), row.channel, [row.recipient])
    return True


def choose(
    user: Subscriber, wanted: Mapping[tuple[str, str], bool], texts: Mapping[tuple[str, str], str]
) -> None:
    """Store what a user has chosen by category and channel on the page of the preferences.

    Each choice that changes something gets its receipt, with the text it stood beside.
    """
    owner = Owner(user.tenant_id, user.mode)
    with transaction.atomic():
        user = lock_user(user.tenant_id, user.mode, user.user_id)
        required = required_categories(user.tenant_id)
        row = wishes(owner, user.user_id)
        for (category, channel), yes in wanted.items():
            if category in required or wants(row, category, channel, required) == yes:
                continue
            obey(row, category, channel, yes)
            text = texts[category, channel]
            keep(user, _receipt(category, channel, yes, "preference page", text))
        write(row)
    if not all(wanted.values()):
        withhold_from_user(owner, user.user_id)


def _as_user(user: Subscriber, row: Notification) -> bool:
    owner = Owner(row.tenant_id, row.mode)
    with transaction.atomic():
        user = lock_user(user.tenant_id, user.mode, user.user_id)
        wish = wishes(owner, user.user_id)
        if obey(wish, row.category, row.channel, False, template=row.template):
            write(wish)
            receipt = _receipt(row.category, row.channel, False, "unsubscribe", "")
            receipt.address = row.recipient or None
            keep(user, receipt)
    withhold_from_user(owner, user.user_id)
    return True


def _receipt(category: str, channel: str, granted: bool, source: str, text: str) -> Consent:
    return Consent(category=category, channel=channel, granted=granted, source=source, text=text)
