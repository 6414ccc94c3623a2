"""What Liquid imports and no template needs: half of its start-up time and of its memory.

Only the renderer's own process may do this, before it imports Liquid.
"""

from __future__ import annotations

import sys
from types import ModuleType

# Loaders of files, translations, and filters that are not in the allowlist.
_UNUSED = ("asyncio", "importlib_resources", "liquid.extra", "liquid.messages")


class _Nothing(ModuleType):
    """Has whatever name is imported from it, as None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def leave_out() -> None:
    """Put an empty module in the place of each of them."""
    for name in _UNUSED:
        sys.modules[name] = _Nothing(name)
