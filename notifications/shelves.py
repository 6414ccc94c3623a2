"""The shelf of channels."""

from __future__ import annotations

from hiram.lib.shelf import Shelf
from notifications.channel import Channel

channels: Shelf[Channel] = Shelf(
    "notifications.channels", marks=("label", "native", "request"), group="hiram.channels"
)


def channel_choices() -> list[tuple[str, str]]:
    """Keys and labels, for forms."""
    return [(key, channel.label) for key, channel in channels.items()]
