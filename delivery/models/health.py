"""A provider's state as delivery sees it."""

from __future__ import annotations

from django.db import models

from tenants.models import Provider, TenantRow


class ProviderHealth(TenantRow):
    """Whether a provider may be used; a missing row means that nothing is known against it.

    A change of the provider after the pause (new credentials) ends it.
    """

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, related_name="health")
    paused_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=60, null=True)
    detail = models.TextField(blank=True)
    open_until = models.DateTimeField(null=True)
    consecutive_failures = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.reason or "usable"
