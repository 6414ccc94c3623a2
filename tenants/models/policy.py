"""What a tenant has decided for a category."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models.base import TenantRow
from tenants.policy import DEFAULTS, MissedRun, OnUnknown


class CategoryPolicy(TenantRow):
    """See `tenants.policy`; null is not decided. Nobody can opt out of what is `required`."""

    category = models.CharField(max_length=20, choices=[(name, name) for name in DEFAULTS])
    retry_steps_seconds = ArrayField(models.PositiveIntegerField(), null=True)
    ttl_seconds = models.PositiveIntegerField(null=True)
    on_unknown = models.CharField(
        max_length=6, null=True, choices=[(kind.value, kind.value) for kind in OnUnknown]
    )
    missed_run = models.CharField(
        max_length=20, null=True, choices=[(kind.value, kind.value) for kind in MissedRun]
    )
    send_within_seconds = models.PositiveIntegerField(null=True)
    retain_seconds = models.PositiveIntegerField(null=True)
    required = models.BooleanField(default=False, db_default=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "category policies"
        constraints = [
            models.UniqueConstraint("tenant", "category", name="category_policy_once"),
            models.CheckConstraint(
                condition=models.Q(missed_run="send_within_seconds", send_within_seconds__gt=0)
                | models.Q(missed_run__isnull=True, send_within_seconds=None)
                | models.Q(missed_run__in=["send", "drop"], send_within_seconds=None),
                name="category_policy_within",
            ),
        ]
        indexes = [
            models.Index(
                "retain_seconds",
                condition=models.Q(retain_seconds__isnull=False),
                name="category_policy_retains",
            )
        ]

    def __str__(self) -> str:
        return self.category
