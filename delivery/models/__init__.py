"""What delivery knows of providers, and heard from them."""

from __future__ import annotations

from delivery.models.health import ProviderHealth
from delivery.models.receipt import Receipt

__all__ = ["ProviderHealth", "Receipt"]
