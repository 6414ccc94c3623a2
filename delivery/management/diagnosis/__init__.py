"""What `doctor` looks at. Each examination answers findings, and none raises for what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from delivery.management.diagnosis import engine, surroundings
from delivery.management.diagnosis.finding import BROKEN, OK, WARNING, Finding, said

__all__ = ["BROKEN", "OK", "WARNING", "Finding", "diagnose"]

Examination = Callable[[], Iterator[Finding]]

ENGINE: tuple[Examination, ...] = (
    engine.credentials,
    engine.paused,
    engine.parked,
    engine.fence,
    engine.oldest_due,
)


def diagnose() -> list[Finding]:
    """Everything; what needs something that is broken is left out."""
    found = _all(surroundings.configuration)
    if usable := _append(found, surroundings.database):
        found += _all(surroundings.durability)
        usable = _append(found, surroundings.migrations)
        found += _all(surroundings.clock)
    if usable:
        found += _all(*ENGINE)
    if _append(found, surroundings.redis):
        found += _all(surroundings.beat)
    return [*found, *_all(surroundings.broker, surroundings.processes)]


def _append(found: list[Finding], examination: Examination) -> bool:
    """Whether nothing was broken."""
    more = _all(examination)
    found += more
    return all(finding.state != BROKEN for finding in more)


def _all(*examinations: Examination) -> list[Finding]:
    found: list[Finding] = []
    for examine in examinations:
        try:
            found += examine()
        except Exception as error:
            found.append(Finding(examine.__name__, BROKEN, said(error), "The log may say more."))
    return found
