"""The API of notifications: post one, post many, look."""

from __future__ import annotations

from notifications.api.bodies import Checked, checked
from notifications.api.notifying import Plan, plan
from notifications.api.verdicts import accepted

__all__ = ["Checked", "Plan", "accepted", "checked", "plan"]
