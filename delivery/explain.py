"""Explain: what would happen to a send just now, and why. Nothing is written, nobody called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from delivery.choice import Past
from delivery.route import simulator
from delivery.routing import NoWay, Routes
from hiram.lib import ids, rfc3339
from hiram.lib.problems import FieldError
from notifications.accept import Owner, first_state, start
from notifications.api import Checked
from notifications.notify import Aim

Found = tuple[Aim, Checked]
Refused = tuple[Aim, list[FieldError]]


def explain(owner: Owner, good: Sequence[Found], bad: Sequence[Refused]) -> list[dict[str, Any]]:
    """For each recipient and channel what would happen, in the order of the recipients."""
    scoped = [one.origin.chosen_provider_id for _, one in good]
    chosen = [provider_id for provider_id in scoped if provider_id]
    routes = Routes([owner.tenant_id], chosen, only_looks=True)
    shown = [(aim.index, _explained(owner, aim, one, routes)) for aim, one in good]
    shown += [(aim.index, _refused(aim, errors)) for aim, errors in bad]
    return [one for _, one in sorted(shown, key=lambda pair: pair[0])]


def _explained(owner: Owner, aim: Aim, one: Checked, routes: Routes) -> dict[str, Any]:
    request, origin = one.request, one.origin
    moment = start(request, origin)
    payload = request.content()
    outcome = "suppressed" if aim.refusal else str(first_state(request, origin))
    return {
        "index": aim.index,
        "user_id": request.user_id,
        "channel": request.channel,
        "recipient": request.address,
        "outcome": outcome,
        "reason": aim.refusal,
        "at": rfc3339.show_if(moment),
        "put_off": bool(origin.not_before),
        "category": request.category,
        "priority": request.priority,
        "template": request.template,
        "template_version": origin.template_version,
        "locale": origin.locale,
        "content": {
            name: payload[name] for name in ("subject", "text", "html") if name in payload
        },
        **_carried(owner, one, routes),
        "errors": [],
    }


def _carried(owner: Owner, one: Checked, routes: Routes) -> dict[str, Any]:
    """By which provider and sender; null where none can just now."""
    request, origin = one.request, one.origin
    voice = {} if request.sender else origin.voice
    sender = request.sender or voice.get("sender", "")
    if owner.mode == "test" and (sandbox := simulator(request.channel)):
        named = {"id": None, "name": sandbox.provider_name, "driver": sandbox.driver_name}
        route: dict[str, Any] = {"reason": "simulator", "scope": None, "passed_over": []}
        return {"provider": named, "route": route, "waits": None, "sender": _sender(sender, voice)}
    way = routes.choose(
        owner.tenant_id, request.channel, sender, Past(Counter(), None, is_doubtful=False),
        origin.chosen_provider_id,
    )  # fmt: skip
    if isinstance(way, NoWay):
        waits = {"provider": None, "route": None, "waits": way.reason}
        return waits | {"sender": _sender(sender, voice)}
    provider_id = way.route.provider_id
    own = routes.senders(provider_id)
    usual = str(own.get("from_email") or own.get("from_number") or "")
    name = voice.get("sender_name") or (own.get("from_name", "") if sender in ("", usual) else "")
    provider = {
        "id": provider_id and ids.show("prv", provider_id),
        "name": way.route.provider_name,
        "driver": way.route.driver_name,
    }
    return {
        "provider": provider,
        "route": way.explained() | {"scope": origin.sender_scope},
        "waits": None,
        "sender": _sender(sender or usual, {"sender_name": name}),
    }


def _sender(address: str, voice: Mapping[str, str]) -> dict[str, str | None]:
    return {"address": address or None, "name": voice.get("sender_name") or None}


def _refused(aim: Aim, errors: Sequence[FieldError]) -> dict[str, Any]:
    return {
        "index": aim.index,
        "channel": aim.channel,
        "outcome": "rejected",
        "errors": [error.as_dict() for error in errors],
    }
