"""The states of a notification and the moves between them. Pure.

`queued` and `sending` are never stored: they are read from the outbox row and the open attempt,
so that the wide row is written twice and what the API says is what the engine is doing.
`docs/states.md` is generated from this table.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Every status that a notification can show."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    HELD = "held"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    ACKED = "acked"
    READ = "read"


S = State

MOVES: dict[State, tuple[State, ...]] = {
    S.ACCEPTED: (
        S.QUEUED, S.SENDING, S.SCHEDULED, S.SENT, S.SUPPRESSED, S.CANCELED, S.EXPIRED, S.FAILED,
        S.DELIVERED,
    ),
    S.SCHEDULED: (S.QUEUED, S.SUPPRESSED, S.CANCELED, S.EXPIRED),
    S.QUEUED: (
        S.SENDING, S.ACCEPTED, S.SCHEDULED, S.SUPPRESSED, S.CANCELED, S.EXPIRED, S.FAILED, S.SENT,
    ),
    S.SENDING: (S.SENT, S.QUEUED, S.HELD, S.FAILED, S.DELIVERED, S.BOUNCED, S.COMPLAINED),
    S.SENT: (S.DELIVERED, S.BOUNCED, S.COMPLAINED),
    S.DELIVERED: (S.COMPLAINED, S.ACKED, S.READ),
    S.ACKED: (S.READ,),
    S.HELD: (S.QUEUED, S.SENT, S.FAILED, S.CANCELED, S.EXPIRED),
    S.FAILED: (S.QUEUED, S.SENT),
    S.EXPIRED: (S.SENT,),
    S.CANCELED: (S.SENT,),
    S.SUPPRESSED: (),
    S.BOUNCED: (S.COMPLAINED,),
    S.COMPLAINED: (),
    S.READ: (),
}  # fmt: skip

MEANING: dict[State, str] = {
    S.ACCEPTED: "Committed. With a `reason`: nothing can be done yet, and it is kept.",
    S.SCHEDULED: "To be sent at `scheduled_at`; with the reason `quiet_hours`, put off for its user.",
    S.QUEUED: "Due, or waiting for its retry at `next_attempt_at`.",
    S.SENDING: "A provider is being called.",
    S.SENT: "The provider took it.",
    S.DELIVERED: "It arrived, as the provider says.",
    S.BOUNCED: "It came back, as the provider says.",
    S.COMPLAINED: "The recipient called it spam.",
    S.HELD: "Waits for a decision: it may have been taken, and shall not be doubled.",
    S.FAILED: "Refused for good, or given up; `reason` and attempts say why.",
    S.SUPPRESSED: "Not sent, because the recipient must not be written to.",
    S.CANCELED: "Called back before it left.",
    S.EXPIRED: "Its time was over before it could leave.",
    S.ACKED: "The user's device has it.",
    S.READ: "The user has read it.",
}

STORED: frozenset[State] = frozenset(State) - {S.QUEUED, S.SENDING}

OWED: frozenset[State] = frozenset({S.ACCEPTED, S.SCHEDULED, S.HELD})
"""Stored states in which an outbox row must exist."""

SETTLED: frozenset[State] = STORED - OWED


def may_move(before: State, after: State) -> bool:
    """Whether the table has this move."""
    return after in MOVES[before]


def before(after: State) -> tuple[State, ...]:
    """The stored states from which `after` can be stored, also where it passes unstored ones."""
    passing = {S.QUEUED, S.SENDING} - {after}
    found = set()
    for start in STORED - {after}:
        seen, todo = {start}, [start]
        while todo:
            for step in MOVES[todo.pop()]:
                if step == after:
                    found.add(start)
                elif step in passing and step not in seen:
                    seen.add(step)
                    todo.append(step)
    return tuple(sorted(found))
