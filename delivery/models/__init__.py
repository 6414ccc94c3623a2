"""What delivery knows of providers."""

from __future__ import annotations

from delivery.models.health import ProviderHealth

__all__ = ["ProviderHealth"]
