"""Who a message is from, by whom it is for: a tenant's user, an organisation, or all."""

from __future__ import annotations

from django.db import models

from tenants.models.base import TenantRow


class SenderConfig(TenantRow):
    """The providers and the sender of one scope; the nearest scope that has a field decides it.

    `scope_id` is the tenant's own id of the user or organisation, empty for `app`. `providers`
    are ids by channel.
    """

    class Scope(models.TextChoices):
        """From the nearest to the widest."""

        USER = "user"
        ORG = "org"
        APP = "app"

    scope = models.CharField(max_length=4, choices=Scope.choices)
    scope_id = models.CharField(max_length=256, blank=True)
    providers = models.JSONField(default=dict)
    from_email = models.CharField(max_length=320, null=True)
    from_name = models.CharField(max_length=200, null=True)
    from_phone = models.CharField(max_length=20, null=True)
    locale = models.CharField(max_length=35, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "scope", "scope_id", name="sender_config_once"),
            models.CheckConstraint(
                condition=models.Q(scope="app", scope_id="")
                | models.Q(scope__in=["user", "org"]) & ~models.Q(scope_id=""),
                name="sender_config_scope_has_id",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.scope_id}".strip()


class SenderDomain(TenantRow):
    """A domain that a tenant says is its own; verified once its DNS has the token."""

    domain = models.CharField(max_length=255)
    token = models.CharField(max_length=64)
    verified_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("tenant", "domain", name="sender_domain_once")]

    def __str__(self) -> str:
        return self.domain
