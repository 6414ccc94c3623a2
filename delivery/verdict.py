"""Verdict: what a provider's answer means for its attempt and its row. The one place for that."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace
from typing import Any

from delivery.driver import Answer, Copy, Failed, Fault, Sent, Unknown
from delivery.retry import wait_seconds
from delivery.work import Crashed, Shadowed, Work
from hiram.lib import ids
from hiram.lib.excerpt import MAX_CHARACTERS, excerpt
from notifications.states import State
from tenants.policy import OnUnknown

LENGTHS = {
    "code": 40, "enhanced_code": 20, "provider_message_id": 512, "error": MAX_CHARACTERS,
    "response": 1_000,
}  # fmt: skip
"""The most characters that are kept of a provider's words, as the columns have them."""

CRASHES_MOST = 4
"""Tries after which a row at which our own code fails is dead-lettered."""


@dataclass(frozen=True, slots=True)
class Result:
    """One call's answer. `seconds` is how long it took."""

    work: Work
    answer: Answer | Shadowed | Crashed
    seconds: float


def verdict(result: Result) -> dict[str, Any]:
    """What `settle` writes: `verdict` is sent, retry, hold or end, the rest are columns' values."""
    work, answer = result.work, result.answer
    route = work.route
    row = {
        "id": work.claim.id,
        "fence": work.claim.fence,
        "attempt_id": work.attempt_id,
        "event_ids": [ids.new(), ids.new()],
        "provider_id": route and route.provider_id,
        "provider_name": route and route.provider_name,
        "driver": route and route.driver_name,
        "latency_seconds": round(result.seconds, 4),
        **EMPTY,
    }
    meaning: dict[str, Any]
    match answer:
        case Shadowed():
            meaning = {
                "verdict": "sent",
                "outcome": "shadow_would_send",
                "payload_sha256": answer.payload_sha256,
            }
        case Sent():
            meaning = {
                "verdict": "sent",
                "outcome": "sent",
                "provider_message_id": answer.provider_message_id or None,
                "enhanced_code": answer.enhanced_code or None,
                "payload_sha256": answer.payload_sha256 or None,
                "copies": [_copy(copy) for copy in answer.copies] or None,
            }
        case Unknown() | Crashed():
            meaning = _unknown(work, crashed=isinstance(answer, Crashed))
        case Failed():
            meaning = _failure(work, answer)
    row |= meaning
    if not isinstance(answer, Shadowed):
        row["code"] = answer.code or None
    if isinstance(answer, Sent | Failed | Unknown):
        row["response"] = answer.response or None
    if isinstance(answer, Failed | Unknown | Crashed):
        row["error"] = answer.detail
    return row | {
        name: excerpt(row[name], most=most) for name, most in LENGTHS.items() if row[name]
    }


def _unknown(work: Work, *, crashed: bool) -> dict[str, Any]:
    known = {"outcome": "unknown", "counts": 1}
    if crashed and work.claim.tries + 1 >= CRASHES_MOST:
        return known | {"verdict": "end", "status": State.FAILED, "reason": "defect"}
    if work.rules.on_unknown is OnUnknown.HOLD:
        return known | {"verdict": "hold", "reason": "unknown"}
    if _is_last(work):
        return known | _EXHAUSTED
    return known | {"verdict": "retry", "wait": _wait(work, unknown=True)}


_EXHAUSTED = {"verdict": "end", "status": State.FAILED, "reason": "exhausted"}


def _is_last(work: Work) -> bool:
    most = work.rules.tries_most
    return most is not None and work.claim.tries + 1 >= most


def _copy(copy: Copy) -> dict[str, Any]:
    return asdict(replace(copy, code=excerpt(copy.code), detail=excerpt(copy.detail)))


EMPTY: dict[str, Any] = dict.fromkeys((
    "code", "enhanced_code", "error", "fault", "provider_message_id", "payload_sha256", "copies",
    "response", "wait", "counts", "status", "reason",
))  # fmt: skip


def _failure(work: Work, answer: Failed) -> dict[str, Any]:
    known = {"fault": answer.fault, "enhanced_code": answer.enhanced_code or None}
    if answer.fault in (Fault.BAD_ADDRESS, Fault.BAD_CONTENT):
        ended = {"verdict": "end", "status": State.FAILED, "reason": str(answer.fault)}
        return known | ended | {"outcome": "rejected"}
    if pauses(work, answer):
        # The row goes back as it was: a wrong password must not burn a million rows.
        return known | {"verdict": "retry", "outcome": "refused", "wait": 0, "counts": 0}
    if _is_last(work):
        return known | {"outcome": "refused"} | _EXHAUSTED
    wait = _wait(work, retry_after=answer.retry_after)
    return known | {"verdict": "retry", "outcome": "refused", "wait": wait, "counts": 1}


def _wait(work: Work, *, unknown: bool = False, retry_after: float | None = None) -> float:
    return wait_seconds(
        work.claim.tries + 1,
        random.random(),  # noqa: S311
        work.rules.retry_steps_seconds,
        work.lifetime,
        least=work.unknown_seconds if unknown else 0,
        retry_after=retry_after,
    )


def is_bad(answer: Answer | Shadowed | Crashed) -> bool:
    """Whether the answer speaks against the provider, and not only against the message.

    A mail server that answers with an enhanced code (RFC 3463) of addressing, mailbox, content or
    policy speaks of one recipient or one message: it works.
    """
    if isinstance(answer, Failed) and answer.fault in (Fault.TRANSIENT, Fault.THROTTLED):
        return not answer.enhanced_code.startswith(("4.1.", "4.2.", "4.6.", "4.7."))
    return isinstance(answer, Unknown)


def pauses(work: Work, answer: Answer | Shadowed | Crashed) -> bool:
    return (
        isinstance(answer, Failed)
        and answer.fault is Fault.BAD_ACCOUNT
        and work.route is not None
        and work.route.provider_id is not None
    )
