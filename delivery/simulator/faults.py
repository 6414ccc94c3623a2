"""The faults in force, and the recipients at simulator.test that need no order."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Self
from uuid import uuid4

from delivery.simulator.orders import PHASES, Order, Target

MAX_ORDERS = 1_000
DOMAIN = "@simulator.test"


@dataclass(slots=True)
class Fault:
    """An order in force; `applied` counts how often it happened."""

    order: Order
    id: str = field(default_factory=lambda: uuid4().hex)
    applied: int = 0
    chance: random.Random = field(default_factory=random.Random, repr=False)

    @classmethod
    def of(cls, order: Order) -> Self:
        """The order put in force."""
        return cls(order, chance=random.Random(order.seed))  # noqa: S311

    @property
    def phase(self) -> str:
        """The SMTP phase it happens in; "" for HTTP."""
        if self.order.target != "smtp":
            return "refuse" if self.order.kind == "refuse" else ""
        return self.order.phase or PHASES[self.order.kind][0]

    def strikes(self, recipients: Sequence[str], subject: Callable[[], str]) -> bool:
        """Whether it happens to this message now; the draw is made last."""
        order, match = self.order, self.order.match
        if order.times is not None and self.applied >= order.times:
            return False
        if match.recipient is not None and not any(_like(r, match.recipient) for r in recipients):
            return False
        if match.subject is not None and not _like(subject(), match.subject):
            return False
        return order.probability >= 1 or self.chance.random() < order.probability


def _like(value: str, pattern: str) -> bool:
    return fnmatchcase(value.lower(), pattern.lower())


def _nothing() -> str:
    return ""


class Faults:
    """The orders in force, oldest first."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}

    def order(self, order: Order) -> Fault:
        """Put an order in force. Raises `ValueError` when there are `MAX_ORDERS` already."""
        if len(self._faults) >= MAX_ORDERS:
            raise ValueError(f"there are {MAX_ORDERS} orders already: delete some")
        fault = Fault.of(order)
        self._faults[fault.id] = fault
        return fault

    def all(self) -> list[Fault]:
        """Every order, spent ones included, oldest first."""
        return list(self._faults.values())

    def delete(self, fault_id: str) -> bool:
        """Withdraw one order; False if there is none of this id."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Withdraw every order."""
        self._faults.clear()

    def take(
        self,
        target: str,
        phase: str = "",
        recipients: Sequence[str] = (),
        subject: Callable[[], str] = _nothing,
    ) -> Order | None:
        """What goes wrong with this message in this phase, counted as happened; else None."""
        for fault in self._faults.values():
            ordered = fault.order.target == target and fault.phase == phase
            if ordered and fault.strikes(recipients, subject):
                fault.applied += 1
                return fault.order
        return _named(target, phase, recipients)


def _named(target: str, phase: str, recipients: Sequence[str]) -> Order | None:
    for recipient in recipients:
        local, at, domain = recipient.lower().rpartition("@")
        if at + domain != DOMAIN:
            continue
        fault = NAMED.get((target, local.partition("+")[0]))
        if fault is not None and fault.phase == phase:
            return fault.order
    return None


def _by_name(target: Target, **order: object) -> Fault:
    return Fault.of(Order.model_validate({"target": target, **order}))


# Recipients at simulator.test, by local part (a `+suffix` is ignored), that need no order.
NAMED: Mapping[tuple[str, str], Fault] = {
    ("smtp", "bounce"): _by_name("smtp", kind="status", code=550, enhanced="5.1.1"),
    ("resend", "bounce"): _by_name("resend", kind="status", status=422, code="validation_error"),
    ("smtp", "refuse"): _by_name("smtp", kind="status", code=451, enhanced="4.3.0"),
    ("resend", "refuse"): _by_name("resend", kind="status", status=500, code="application_error"),
    ("smtp", "throttle"): _by_name("smtp", kind="throttle"),
    ("resend", "throttle"): _by_name("resend", kind="throttle", retry_after=2),
    ("smtp", "slow"): _by_name("smtp", kind="slow", seconds=5),
    ("resend", "slow"): _by_name("resend", kind="slow", seconds=5),
    ("smtp", "drop"): _by_name("smtp", kind="drop"),
    ("resend", "drop"): _by_name("resend", kind="drop"),
    ("smtp", "cut"): _by_name("smtp", kind="cut_after_accept"),
    ("resend", "cut"): _by_name("resend", kind="cut_after_accept"),
}
