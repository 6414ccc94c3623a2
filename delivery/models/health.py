"""A provider's state as delivery sees it."""

from __future__ import annotations

from django.db import models

from tenants.models import Provider, TenantRow


class ProviderHealth(TenantRow):
    """Whether a provider may be used; a missing row means that nothing is known against it.

    Paused: it refuses the account, and is not called until somebody changes or resumes it. Open
    until a time: it fails or is slow (`trouble`), and is probed by one message after another from
    then on. `share` is in points of 100; see `delivery.breaker`.
    """

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, related_name="health")
    paused_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=60, null=True)
    detail = models.TextField(blank=True)
    window = models.JSONField(default=list, db_default=[])
    open_until = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=20, null=True)
    openings = models.PositiveIntegerField(default=0, db_default=0)
    closed_at = models.DateTimeField(null=True)
    probe_until = models.DateTimeField(null=True)
    share = models.PositiveSmallIntegerField(default=100, db_default=100)
    share_changed_at = models.DateTimeField(null=True)
    degraded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(share__gte=1, share__lte=100), name="provider_share_points"
            )
        ]
        indexes = [
            models.Index(
                "degraded_at",
                condition=models.Q(degraded_at__isnull=False),
                name="provider_degraded",
            ),
            models.Index(
                "paused_at", condition=models.Q(paused_at__isnull=False), name="provider_paused"
            ),
        ]

    def __str__(self) -> str:
        return self.reason or self.trouble or "usable"
