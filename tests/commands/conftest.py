"""No test here leaves a thread behind."""

from __future__ import annotations

from tests.unnoted import unnoted

__all__ = ["unnoted"]
