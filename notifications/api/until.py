"""Until when something holds, as requests say it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.utils import timezone
from pydantic import WithJsonSchema

from hiram.lib.problems import FieldError, Problem
from notifications.channel import Moment

Expiry = Annotated[
    Moment,
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "default": None}
    ),
]


def check_ahead(moment: datetime | None, pointer: str = "/expires_at") -> None:
    """Raises Problem: 422 for a moment that is over."""
    if moment is not None and moment <= timezone.now():
        text = "This must be in the future."
        raise Problem("invalid", errors=[FieldError(pointer, "in_the_past", text)])
