"""The API of notifications: post one, post many, look."""

from __future__ import annotations

from notifications.api.bodies import checked
from notifications.api.verdicts import accepted

__all__ = ["accepted", "checked"]
