"""Stories: what a provider reports of a message, and how its notification ends in any order."""

from __future__ import annotations

from dataclasses import dataclass

from delivery.simulator.callbacks import News


@dataclass(frozen=True)
class Story:
    """`end` is status and reason, `events` what surely happens."""

    news: tuple[News, ...]
    end: str
    events: tuple[str, ...]


ARRIVES = Story(("delivered",), "delivered", ("delivered",))
STORIES = (
    Story(("accepted", "delivered", "opened"), "delivered", ("delivered", "opened")),
    Story(
        ("delivered", "complained", "clicked"), "complained complaint", ("complained", "clicked")
    ),
    Story(("deferred", "bounced"), "bounced hard_bounce", ("deferred", "bounced")),
    Story(("accepted", "soft_bounced"), "bounced soft_bounce", ("bounced",)),
    Story(("bounced", "complained"), "complained complaint", ("complained",)),
    Story(("deferred", "accepted"), "sent", ("deferred",)),
)
