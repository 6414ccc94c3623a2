"""The app's registration with Django."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from hiram.lib import outbound


class DeliveryConfig(AppConfig):
    """See `docs/architecture.md`."""

    name = "delivery"

    def ready(self) -> None:
        """Say where tenants' hosts may be."""
        outbound.use(outbound.Policy(allow=settings.OUTBOUND_ALLOW, plain=settings.OUTBOUND_HTTP))
