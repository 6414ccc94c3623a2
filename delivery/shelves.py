"""The shelf of drivers."""

from __future__ import annotations

from delivery.driver import Driver
from hiram.lib.shelf import Shelf

drivers: Shelf[Driver] = Shelf(
    "delivery.drivers",
    marks=("channel", "label", "settings", "credentials", "send"),
    group="hiram.drivers",
)


def driver_choices() -> list[tuple[str, str]]:
    """Keys and labels, for forms."""
    return [(key, driver.label) for key, driver in drivers.items()]
