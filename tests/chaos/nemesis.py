"""The nemesis: does to a running instance whatever can befall it, one fault after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.chaos.blows import Blows
from tests.chaos.disk import Disk
from tests.chaos.outages import Outages
from tests.chaos.receipts import Receipts
from tests.chaos.receivers import Receivers
from tests.chaos.scene import Scene
from tests.chaos.seconds import Seconds

HEAD = f"{'at':>6}  {'fault':<40} {'in flight':>9} {'accepted':>10} {'delivered':>10}"


@dataclass
class Blow:
    """One fault: when (seconds after the first), what, how many calls were open that it can have
    cut off from their record, and after how many seconds a fresh notification was accepted and
    delivered; then, in a patient run, what the audit found broken."""

    at: float
    name: str
    in_flight: int
    accepted: float = 0
    delivered: float = 0
    broken: dict[str, int] = field(default_factory=dict)

    def line(self) -> str:
        """Its row of the table under `HEAD`."""
        return (
            f"{self.at:6.1f}  {self.name:<40} {self.in_flight:>9}"
            f" {self.accepted:>8.1f} s {self.delivered:>8.1f} s"
        )


def every_kind(scene: Scene) -> dict[str, Callable[[], int]]:
    """All that this machine can do; each answers the calls it can have cut off."""
    kinds = (Blows, Outages, Receivers, Receipts, Seconds, Disk)
    return {name: strike for kind in kinds for name, strike in kind(scene).kinds.items()}


@dataclass
class Nemesis:
    """Strikes with these kinds of faults."""

    scene: Scene
    faults: Mapping[str, Callable[[], int]]
    audits: bool = False
    blows: list[Blow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began, self.zero = time.monotonic(), time.time()

    def strike(self, rounds: int) -> Iterator[Blow]:
        """Every kind of fault `rounds` times, in an order that the seed decides."""
        for _ in range(rounds):
            for name in self.scene.chance.sample(self.kinds, len(self.kinds)):
                began = time.monotonic()
                blow = Blow(began - self._began, name, self.faults[name]())
                self.blows.append(blow)
                blow.accepted, blow.delivered = self.scene.passes()
                if self.audits:
                    blow.broken = self.scene.broken()
                yield blow

    @property
    def kinds(self) -> list[str]:
        """All kinds of faults."""
        return sorted(self.faults)
