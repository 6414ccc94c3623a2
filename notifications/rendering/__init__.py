"""Rendering of tenants' templates, in processes that can be killed.

A template is a program that a stranger wrote. None runs in this process, but for those that only
put strings into text: see `docs/templates.md` for the language and its limits, and
`docs/adr/0015-renderers.md` for why it is done so.
"""

from notifications.rendering.pool import Pool, check, close, render, start
from notifications.rendering.publish import work
from notifications.rendering.source import Allowance, Flaw, Source, Unavailable

__all__ = [
    "Allowance", "Flaw", "Pool", "Source", "Unavailable", "check", "close", "render", "start", "work",
]  # fmt: skip
