"""Consent: receipts of what users agreed to or withdrew, each with what it means for preferences."""

from __future__ import annotations

from django.db import transaction

from hiram.lib.problems import FieldError, Problem
from hiram.lib.seen import check_seen
from notifications.accept import Owner
from notifications.models import Consent, Preference, Subscriber, Template
from notifications.preferences import merged, required_categories, wishes, write
from notifications.subscribers import lock_user
from notifications.withhold import withhold_from_user


def record(owner: Owner, user_id: str, receipt: Consent, *, seen: str | None = None) -> Consent:
    """Store a receipt of this user, of which category, channel, what and how are given.

    A grant is a yes of the category on the channel. A withdrawal takes it back, which for marketing
    is enough; elsewhere it is a no. What is owed and not wanted any more ends. `seen` is the mark of
    the preferences that were looked at before.

    Raises:
        Problem: 404 for an unknown user, 409 for preferences that were changed meanwhile, 422 for a
            withdrawal from what is required.
    """
    with transaction.atomic():
        user = lock_user(owner.tenant_id, owner.mode, user_id)
        if not receipt.granted and receipt.category in required_categories(owner.tenant_id):
            text = "What is sent in this category is required: nobody can opt out of it."
            raise Problem("invalid", errors=[FieldError("/category", "required_category", text)])
        row = wishes(owner, user_id)
        check_seen(row, seen)
        refusal = None if receipt.category == "marketing" else False
        keep(user, receipt)
        obey(row, receipt.category, receipt.channel, receipt.granted or refusal)
        write(row)
    if not receipt.granted:
        withhold_from_user(owner, user_id)
    return receipt


def keep(user: Subscriber, receipt: Consent) -> None:
    """Store a receipt, under the user's lock; with the user's own address unless another is given."""
    receipt.tenant_id, receipt.mode = user.tenant_id, user.mode
    receipt.user_id = user.user_id
    receipt.address = receipt.address or user.addresses.get(receipt.channel)
    receipt.save(force_insert=True)
    receipt.refresh_from_db(fields=["created_at"])


def obey(
    row: Preference, category: str, channel: str, yes: bool | None, *, template: str | None = None
) -> bool:
    """Put what was just said of a category into the row; None is that a yes was taken back.

    What is no yes also takes back every yes to `template` and to the category's templates: it would
    go first. Whether anything changed.
    """
    before = (row.categories, row.templates)
    row.categories = merged(row.categories, {category: {channel: yes}})
    wanted = [slug for slug, said in row.templates.items() if not yes and said.get(channel)]
    if wanted:
        rows = Template.objects.filter(tenant_id=row.tenant_id, category=category, slug__in=wanted)
        taken = {*rows.values_list("slug", flat=True), *(s for s in wanted if s == template)}
        row.templates = merged(row.templates, {slug: {channel: None} for slug in taken})
    return before != (row.categories, row.templates)
