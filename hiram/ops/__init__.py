"""The operations port: whether Hiram lives, whether it is ready, and how it fares."""

from __future__ import annotations

from hiram.ops.checks import unsafe_durability
from hiram.ops.server import serve

__all__ = ["serve", "unsafe_durability"]
