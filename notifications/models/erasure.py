"""Erasures: that a user was erased, and what that took."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from notifications.models.notification import Mode
from tenants.models import HotTenantRow


class Erasure(HotTenantRow):
    """One erasure of a user, whom it does not name.

    Until it is complete `sealed` is who that was, for the second look that finds what was accepted
    or called in the moment of the first; then it is empty.
    """

    mode = models.CharField(max_length=6, choices=Mode.choices)
    counts = models.JSONField(default=dict)
    sealed = models.BinaryField(editable=False, default=b"")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                "created_at", condition=models.Q(completed_at=None), name="erasure_incomplete"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)
