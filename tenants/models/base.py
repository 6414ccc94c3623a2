"""What every table has: a UUIDv7 key, and its tenant."""

from __future__ import annotations

from typing import TypeVar

from django.db import models

from hiram.lib import ids

Row = TypeVar("Row", bound=models.Model)


class TenantQuerySet(models.QuerySet[Row]):
    """Reads that cannot forget the tenant."""

    def for_tenant(self, tenant: models.Model) -> TenantQuerySet[Row]:
        """Only this tenant's rows."""
        return self.filter(tenant_id=tenant.pk)


class Identified(models.Model):
    """A row with a UUIDv7 primary key, made in Python so that PostgreSQL 15 suffices."""

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)

    class Meta:
        abstract = True


class TenantRow(Identified):
    """A row that belongs to one tenant."""

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True


class HotTenantRow(Identified):
    """A tenant's row on the accept path.

    No constraint on the tenant's key: its check would lock the tenant's row in every accept, one
    row that all of a tenant's requests share. The caller's key has proved the tenant already.
    """

    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True
