"""What is answered to a post: the verb's results and refusals, as the API tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, starmap
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from hiram.lib import ids
from hiram.lib.problems import FieldError, Problem, pointer
from notifications.accept import Call, Owner, accept, first_state
from notifications.api.bodies import Checked, checked
from notifications.channel import IN_THE_PAST
from notifications.idempotency import (
    Answer,
    BadKey,
    InProgress,
    Key,
    KeyReused,
    key,
    refused,
    remembered,
)
from notifications.senders import SendersRefused
from notifications.states import State
from notifications.undisturbed import REASON


def accepted(
    owner: Owner,
    items: list[Checked],
    respond: Callable[[list[UUID]], tuple[int, Any]],
    known: Key | None,
    *,
    batch: bool,
    call: Call | None = None,
) -> Answer:
    """Accept, with the verb's refusals as problems; each in the answer as what it was accepted as.

    Raises:
        Problem: 409, 422.
        SendersRefused: in a batch, whose items are pointed at elsewhere.
    """
    try:
        given = accept(
            owner,
            [one.request for one in items],
            respond,
            key=known,
            origins=[one.origin for one in items],
            call=call,
        )
    except KeyReused as error:
        raise Problem("idempotency-key-reused") from error
    except InProgress as error:
        raise Problem("idempotency-in-progress", headers={"Retry-After": "1"}) from error
    except SendersRefused as refusal:
        if batch:
            raise
        raise Problem("invalid", errors=[sender_error(refusal, 0)]) from refusal
    return _truly(owner, given)


def _truly(owner: Owner, given: Answer) -> Answer:
    """The answer with those of its notifications that must not go out as `suppressed`.

    It is kept for a repetition before that is known, which therefore looks it up again.
    """
    if not (given.replayed or given.refused):
        return given
    entries = given.body.get("notifications") or given.body.get("data") or [given.body]
    told = {ids.parse("ntf", one["id"]): one for one in entries if "id" in one}
    ended = refused(owner.tenant_id, told) if given.replayed else given.refused
    for made, reason in ended.items():
        told[made] |= {"status": str(State.SUPPRESSED), "reason": reason}
    return given


def accept_one(owner: Owner, body: Any, known: Key | None) -> Answer:
    """Check and accept one.

    Raises:
        Problem: 409, 422.
    """
    try:
        one = checked(owner, body)
    except Problem as problem:
        if given := told_before(owner, known, problem.errors):
            return given
        raise

    def respond(made: list[UUID]) -> tuple[int, Any]:
        return 202, accepted_body(made[0], one)

    return accepted(owner, [one], respond, known, batch=False)


def told_before(owner: Owner, known: Key | None, errors: Iterable[FieldError]) -> Answer | None:
    """The first answer to what was right at first: a repetition must not fail by its age."""
    if known is None or all(error.code != IN_THE_PAST for error in errors):
        return None
    try:
        given = remembered(owner.tenant_id, owner.mode, known)
    except KeyReused as error:
        raise Problem("idempotency-key-reused") from error
    return given and _truly(owner, given)


def accept_batch(
    owner: Owner,
    good: dict[int, Checked],
    bad: dict[int, list[FieldError]],
    known: Key | None,
    *,
    atomic: bool,
) -> Answer:
    """Accept the good items of a batch; with `atomic` only if there is no bad one.

    Raises:
        Problem: 409, 422.
    """
    if bad and atomic:
        if given := told_before(owner, known, chain.from_iterable(bad.values())):
            return given
        raise _none_stored(bad)

    def respond(made: list[UUID]) -> tuple[int, Any]:
        pairs = zip(made, good.values(), strict=True)
        return 202, batch_body(dict(zip(good, starmap(accepted_body, pairs), strict=True)), bad)

    try:
        return accepted(owner, list(good.values()), respond, known, batch=True)
    except SendersRefused as refusal:
        places = list(good)
        forged = {
            places[place]: [sender_error(refusal, place, "notifications", places[place])]
            for place in refusal.senders
        }
    rest = {index: item for index, item in good.items() if index not in forged}
    return accept_batch(owner, rest, bad | forged, known, atomic=atomic)


def _none_stored(bad: dict[int, list[FieldError]]) -> Problem:
    errors = [error for index in sorted(bad) for error in bad[index]]
    items = "1 item" if len(bad) == 1 else f"{len(bad)} items"
    return Problem("invalid", f"{items} cannot be accepted; nothing was stored.", errors=errors)


def sender_error(refusal: SendersRefused, place: int, *under: str | int) -> FieldError:
    """The finding for the refused sender of this place."""
    sender = refusal.senders[place]
    if sender in refusal.unverified:
        text = f"The domain of {sender} is not verified; see /v1/sender-domains."
        return FieldError(pointer(*under, "from"), "unverified_domain", text)
    text = f"No provider of this channel may send as {sender}; see its allowed_from."
    return FieldError(pointer(*under, "from"), "sender_not_allowed", text)


def accepted_body(made: UUID, one: Checked) -> dict[str, str]:
    """The answer for one, if it may go out."""
    body = {"id": ids.show("ntf", made), "status": str(first_state(one.request, one.origin))}
    return body | ({"reason": REASON} if one.origin.not_before else {})


def batch_body(
    made: dict[int, dict[str, str]], bad: dict[int, list[FieldError]]
) -> dict[str, Any]:
    """The answer to a batch, items in the order of the request."""
    data: dict[int, dict[str, Any]] = {
        index: {"index": index} | one for index, one in made.items()
    }
    for index, errors in bad.items():
        problem = Problem("invalid", errors=errors)
        body = problem.body(base_url=settings.PUBLIC_URL, request_id=None)
        data[index] = {"index": index, "error": body}
    return {
        "accepted": len(made),
        "rejected": len(bad),
        "data": [data[index] for index in sorted(data)],
    }


def replayed(given: Answer) -> dict[str, str]:
    """The header that marks a remembered answer."""
    return {"Idempotency-Replayed": "true"} if given.replayed else {}


def idempotency_key(request: HttpRequest, body: Any) -> Key | None:
    """The request's key, if it has one.

    Raises:
        Problem: 400 for a bad one.
    """
    text = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        return None
    try:
        return key(text, method=request.method or "", path=request.path, body=body)
    except BadKey as error:
        raise Problem("bad-header", f"{error}.") from error
