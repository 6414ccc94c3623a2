"""What the portal does without being asked; Celery's beat says when."""

from __future__ import annotations

from celery import shared_task

from portal.alerts import alert as tell
from portal.warn import warn as tell_of_webhooks


@shared_task(name="hiram.alert")
def alert() -> None:
    """See `portal.alerts`."""
    tell()


@shared_task(name="hiram.warn")
def warn() -> None:
    """See `portal.warn`."""
    tell_of_webhooks()
