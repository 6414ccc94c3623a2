"""The app's registration with Django."""

from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """See `docs/architecture.md`."""

    name = "portal"
