"""Notify as the API does it: from a body to notifications, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from hiram.lib import ids
from hiram.lib.problems import FieldError, Problem
from notifications.accept import Call, Owner, first_state
from notifications.api.bodies import Checked, check
from notifications.api.notify_bodies import Notify, To
from notifications.api.verdicts import accepted, sender_error, told_before
from notifications.audience import fill
from notifications.catalog.lookup import lookup
from notifications.idempotency import Answer, Key
from notifications.notify import Aim, Recipient, aims, first_reachable, judged
from notifications.senders import SendersRefused
from notifications.shelves import channels
from notifications.subscribers import User, users
from notifications.undisturbed import REASON

_OF_ONE = ("", "user_id", "data", "locale", "org_id")
"""Where a finding concerns one recipient alone."""

_UNREACHABLE = "There is no address for this recipient"


@dataclass(frozen=True, slots=True)
class Plan:
    """What can be accepted, and what stands against the rest, by whom each is for."""

    good: list[tuple[Aim, Checked]]
    bad: list[tuple[Aim, list[FieldError]]]


def notify(owner: Owner, asked: Notify, known: Key | None) -> Answer:
    """Accept what can be, in one transaction; say of the rest why not.

    Raises:
        Problem: 409; 422 where none can be, or what all of them share does not fit.
    """
    found = plan(owner, asked, asks=asked.strategy == "first_reachable")
    if not found.good:
        errors = [error for _, own in found.bad for error in own]
        if given := told_before(owner, known, errors):
            return given
        text = "No recipient can be reached; nothing was stored."
        raise Problem("invalid", text, errors=errors[:20])
    call = Call(ids.new(), asked.template, asked.strategy, asked.metadata)
    items = [_of_call(call, asked, one) for _, one in found.good]

    def respond(made: list[UUID]) -> tuple[int, Any]:
        pairs = zip(made, found.good, strict=True)
        return 202, {
            "id": ids.show("req", call.id),
            "status": "accepted",
            "notifications": [_told(key, aim, one) for key, (aim, one) in pairs],
            "rejected": [_not_told(aim, errors) for aim, errors in found.bad],
        }

    try:
        return accepted(owner, items, respond, known, batch=True, call=call)
    except SendersRefused as refusal:
        place = min(refusal.senders)
        error = sender_error(refusal, place, "content", found.good[place][0].channel or "")
        raise Problem("invalid", errors=[error]) from refusal


def _of_call(call: Call, asked: Notify, one: Checked) -> Checked:
    named = asked.notification_id
    once = None if named is None else f"notification {named}\0{one.request.user_id or ''}"
    return replace(one, origin=replace(one.origin, request_id=call.id, once=once))


def plan(owner: Owner, asked: Notify, *, asks: bool = True) -> Plan:
    """What would become of each recipient on each channel; where it `asks`, also by the refusals.

    Raises:
        Problem: 422 where what all of them share does not fit.
    """
    named = {one.user_id for one in asked.to if one.user_id is not None}
    known = users(owner.tenant_id, owner.mode, named) if named else {}
    aimed = _aimed(owner, asked, known, asks=asks)
    bodies = [_body(asked, aim) for aim in aimed]
    reached = [place for place, aim in enumerate(aimed) if aim.address]
    filled = dict(zip(reached, fill(owner, [bodies[p] for p in reached], known), strict=True))
    at = datetime.now(UTC)
    found = Plan([], [])
    for place, aim in enumerate(aimed):
        given = check(filled[place], at) if aim.address else [_unreachable(asked.to, aim, known)]
        if isinstance(given, list):
            found.bad.append((aim, [_placed(asked, aim, error) for error in given]))
        else:
            found.good.append((aim, given))
    return found


def _aimed(owner: Owner, asked: Notify, known: Mapping[str, User], *, asks: bool) -> list[Aim]:
    texts = asked.texts()
    if asked.template is None:
        categories: dict[str, str] = dict.fromkeys(texts, asked.category or "transactional")
    else:
        templates = lookup(owner.tenant_id, asked.template, as_of=owner.templates_changed_at)
        categories = {
            name: asked.category or one.category
            for name, one in templates.items()
            if not isinstance(one, FieldError)
        }
    possible = [name for name in channels if name in categories] or [*channels]
    recipients = [Recipient(one.user_id, _addresses(one)) for one in asked.to]
    found = aims(recipients, known, wanted=asked.channels, possible=possible)
    if asks:
        found = judged(owner, found, recipients, categories=categories, template=asked.template)
    return first_reachable(found) if asked.strategy == "first_reachable" else found


def _addresses(one: To) -> dict[str, str]:
    return {name: address for name in channels if (address := getattr(one, name)) is not None}


def _body(asked: Notify, aim: Aim) -> dict[str, Any]:
    one = asked.to[aim.index]
    body = {
        **asked.texts().get(aim.channel or "", {}),
        **asked.shared(),
        "channel": aim.channel,
        "recipient": aim.address,
    }
    optional = {"user_id": one.user_id, "org_id": one.org_id or asked.org_id}
    if asked.template is not None:
        optional |= {"locale": one.locale or asked.locale}
        body["data"] = {**asked.data, **one.data}
    return body | {name: value for name, value in optional.items() if value is not None}


def _unreachable(to: list[To], aim: Aim, known: Mapping[str, User]) -> FieldError:
    name = to[aim.index].user_id
    if name is not None and name not in known:
        return FieldError("/user_id", "unknown_user", "There is no such user.")
    where = "/user_id" if name is not None else ""
    on = f" on {aim.channel}" if aim.channel else " on any channel of this text"
    return FieldError(where, "unreachable", f"{_UNREACHABLE}{on}.")


def _placed(asked: Notify, aim: Aim, error: FieldError) -> FieldError:
    """The finding where the caller can mend it.

    Raises:
        Problem: 422 where that is not in one recipient alone.
    """
    first = error.pointer[1:].partition("/")[0]
    if first == "template":
        return error
    if first == "recipient":
        is_own = getattr(asked.to[aim.index], aim.channel or "", None) is not None
        where = f"/{aim.channel}" if is_own else "/user_id"
        return replace(error, pointer=f"/to/{aim.index}{where}")
    if first in _OF_ONE:
        return replace(error, pointer=f"/to/{aim.index}{error.pointer}")
    if asked.content is not None and first not in Notify.model_fields:
        error = replace(error, pointer=f"/content/{aim.channel}{error.pointer}")
    raise Problem("invalid", errors=[error])


def _told(made: UUID, aim: Aim, one: Checked) -> dict[str, Any]:
    """As it is if it may go out: what refuses it is the statement that accepts."""
    return {
        "id": ids.show("ntf", made),
        "index": aim.index,
        "user_id": one.request.user_id,
        "channel": one.request.channel,
        "recipient": one.request.address,
        "status": str(first_state(one.request, one.origin)),
        "reason": REASON if one.origin.not_before else None,
    }


def _not_told(aim: Aim, errors: list[FieldError]) -> dict[str, Any]:
    problem = Problem("invalid", errors=errors)
    body = problem.body(base_url=settings.PUBLIC_URL, request_id=None)
    return {"index": aim.index, "channel": aim.channel, "error": body}
