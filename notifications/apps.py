"""The app's registration with Django."""

from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """See `docs/architecture.md`."""

    name = "notifications"
