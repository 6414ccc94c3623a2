"""What an HTTP status, and a vendor's own error in it, mean for the message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from delivery.driver import Fault

# What a status means when the vendor's own code does not say more (RFC 9110, section 15). A
# missing or moved end point, or a redirect for good, is a wrong address of the API: it concerns
# the account, and must not end a single message. What has no line is transient.
_STATUSES: Mapping[int, Fault] = {
    **dict.fromkeys((301, 308, 401, 402, 403, 404, 405, 407, 410), Fault.BAD_ACCOUNT),
    **dict.fromkeys((400, 406, 411, 413, 414, 415, 422, 431, 451), Fault.BAD_CONTENT),
    429: Fault.THROTTLED,
}
# May have been taken, unless the vendor itself says otherwise. 503 is a refusal.
_SILENCES = frozenset({408, *range(500, 600)} - {503})


@dataclass(frozen=True, slots=True)
class Complaint:
    """The vendor's own error. Without a `code` it is no more than a framework would have said.

    `fault` is set where the driver knows more than the tables by code and by status do.
    """

    text: str
    code: str = ""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Meanings:
    """A vendor's tables; see `HttpDriver`, which declares them."""

    faults: Mapping[str, Fault | None] = field(default_factory=dict)
    hints: Mapping[str, Fault] = field(default_factory=dict)
    refuses_with_5xx: bool = True

    def fault(self, status: int, complaint: Complaint | None) -> Fault | None:
        """Why the message was not taken; None when it may have been."""
        if complaint is None:
            silent = status < 300 or status in _SILENCES
            return None if silent else _STATUSES.get(status, Fault.TRANSIENT)
        if complaint.fault is not None:
            return complaint.fault
        if complaint.code in self.faults:
            return self.faults[complaint.code]
        if not complaint.code and (status < 300 or status in _SILENCES):
            return None
        if status in _SILENCES:
            return Fault.TRANSIENT if self.refuses_with_5xx else None
        fault = _STATUSES.get(status, Fault.TRANSIENT if status >= 300 else Fault.BAD_CONTENT)
        if fault is not Fault.BAD_CONTENT:
            return fault
        found = (to for words, to in self.hints.items() if re.search(words, complaint.text))
        return next(found, fault)
