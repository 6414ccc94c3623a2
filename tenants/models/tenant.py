"""Tenants, their members, and the links that invite them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower, Now

from tenants.models.base import Identified, TenantRow


class Tenant(Identified):
    """A customer of this installation: owns keys, providers and notifications."""

    class Mode(models.TextChoices):
        """live sends; shadow walks the whole path and sends nothing."""

        LIVE = "live"
        SHADOW = "shadow"

    class Status(models.TextChoices):
        """A suspended tenant's keys are refused; what it is owed is still delivered."""

        ACTIVE = "active"
        SUSPENDED = "suspended"

    name = models.CharField(max_length=200)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.LIVE)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    is_system = models.BooleanField(
        default=False,
        help_text="The one tenant in whose name Hiram sends its own mails, and whose providers"
        " may be the platform's default.",
    )
    locale = models.CharField(max_length=35, default="en")
    timezone = models.CharField(max_length=64, default="UTC")
    limits = models.JSONField(default=dict, blank=True)
    # Of what is sent by them, and never the same twice: triggers set it.
    templates_changed_at = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("name"), name="tenant_name_once"),
            models.UniqueConstraint(
                "is_system", condition=models.Q(is_system=True), name="tenant_system_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do: owner everything, admin all but owners, developer keys and
    providers, viewer looks."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


class Member(TenantRow):
    """A user's place in a tenant."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("tenant", "user", name="member_once")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class Invite(TenantRow):
    """A link that makes its holder a member, once, until it expires."""

    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    digest = models.BinaryField(max_length=32, editable=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint("tenant", "digest", name="invite_once")]

    def __str__(self) -> str:
        return self.email
