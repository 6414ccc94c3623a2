"""Invitations: a mailed link that makes its address a member, once, for seven days."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from portal import mails
from tenants.models import Invite, Member, Tenant, User

LIFETIME = timedelta(days=7)


class Used(Exception):
    """The link is unknown, expired or already used: nobody is told which."""


def invite(tenant: Tenant, email: str, role: str, *, by: User) -> Invite:
    """Make an invitation and mail its link, which is stored nowhere, once it is committed."""
    token = secrets.token_urlsafe(32)
    made = Invite.objects.create(
        tenant=tenant,
        email=email,
        role=role,
        digest=_digest(token),
        invited_by=by,
        expires_at=timezone.now() + LIFETIME,
    )
    link = mails.absolute(reverse("portal_invite", args=[token]))
    transaction.on_commit(partial(_mail, made, link))
    return made


def find(token: str) -> Invite:
    """The open invitation of this link.

    Raises:
        Used: see there.
    """
    found = (
        Invite.objects.filter(digest=_digest(token), accepted_at=None, expires_at__gt=Now())
        .select_related("tenant", "invited_by")
        .first()
    )
    if found is None:
        raise Used
    return found


@transaction.atomic
def accept(found: Invite, user: User) -> None:
    """Make the user a member; an account that is not stored yet is.

    Who is a member already keeps his role.

    Raises:
        Used: somebody was faster.
        django.db.IntegrityError: an account with this address was made meanwhile.
    """
    open_still = Invite.objects.filter(pk=found.pk, accepted_at=None, expires_at__gt=Now())
    if not open_still.update(accepted_at=Now()):
        raise Used
    if user._state.adding:
        user.save()
    Member.objects.get_or_create(
        tenant_id=found.tenant_id, user=user, defaults={"role": found.role}
    )


def new_account(found: Invite, *, name: str, password: str) -> User:
    """An account for the invited address, not stored; hashing its password takes a while."""
    user = User(email=User.objects.normalize_email(found.email), name=name)
    user.set_password(password)
    return user


def account_of(found: Invite) -> User | None:
    """The account that the invited address has already."""
    return User.objects.filter(email__iexact=found.email).first()


def _mail(made: Invite, link: str) -> None:
    mails.send(
        made.email,
        f"{made.tenant.name} invites you to Hiram",
        "invite",
        invite=made,
        link=link,
        days=LIFETIME.days,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
