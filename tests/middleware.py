"""One chain of middleware for all test clients.

Each client makes its own with its first request, for which WhiteNoise looks through all static
files: that takes longer than most requests.
"""

from __future__ import annotations

from typing import Any

from django.core.handlers.base import BaseHandler
from django.core.signals import setting_changed
from django.test.client import ClientHandler

_OF_NO_MIDDLEWARE = {"PASSWORD_HASHERS"}

_chain: dict[str, Any] = {}


def share_middleware() -> None:
    """From now on; a setting that changes makes another chain."""
    ClientHandler.load_middleware = _load  # type: ignore[assignment, method-assign]
    setting_changed.connect(_changed)


def _load(self: ClientHandler, is_async: bool = False) -> None:
    if not _chain:
        before = set(vars(self))
        BaseHandler.load_middleware(self, is_async)
        _chain.update({name: value for name, value in vars(self).items() if name not in before})
    vars(self).update(_chain)


def _changed(*, setting: str, **_: Any) -> None:
    if setting not in _OF_NO_MIDDLEWARE:
        _chain.clear()
