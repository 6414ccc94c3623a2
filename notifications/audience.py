"""Audience: whom a request means, and what its template says to them.

What a caller leaves to Hiram is filled in here: a user's address, a template's text. In as many
reads for a thousand as for one, and in none where nothing is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hiram.lib.locales import locale
from hiram.lib.problems import FieldError, Problem
from notifications.accept import NOWHERE, Origin, Owner
from notifications.catalog.lookup import Sendable, lookup
from notifications.catalog.rendered import FIELDS, Rendered, Wanted, rendered
from notifications.channel import SLUG_CHARACTERS
from notifications.rendering import Allowance, Unavailable
from notifications.shelves import channels
from notifications.subscribers import User, users
from tenants.senders import NOBODY, USER, Sender, read

Users = Mapping[str, User]
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filled:
    """A body with nothing left to fill in, or what stands against it, in pointers into it.

    `user` is whom it is for, where that is known, `sender` who it is from by its scope.
    """

    body: Any
    origin: Origin = NOWHERE
    errors: tuple[FieldError, ...] = ()
    user: User | None = None
    sender: Sender = NOBODY


def fill(owner: Owner, bodies: Sequence[Any], known: Users | None = None) -> list[Filled]:
    """The bodies as their channels take them; `known` are the users, where they were read before.

    What is not of the right type stays as it is: the channel's own check will say so.

    Raises:
        Problem: 503 while the renderers of templates are all busy.
    """
    named = {name for body in bodies if (name := _word(body, "user_id")) is not None}
    if known is None:
        known = users(owner.tenant_id, owner.mode, named) if named else {}
    addressed = [_addressed(body, known) for body in bodies]
    if owner.has_senders:
        addressed = _from(owner, addressed)
    written: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(addressed):
        slug = None if one.errors else _word(one.body, "template")
        if slug is not None and one.body.get("channel") in channels:
            written[slug].append(place)
    allowance = Allowance.of(sum(map(len, written.values())), sources=len(written))
    for slug, places in written.items():
        told = _told(owner, slug, [addressed[place] for place in places], allowance)
        for place, one in zip(places, told, strict=True):
            addressed[place] = one
    return addressed


def _word(body: Any, name: str) -> str | None:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) and "\0" not in value else None


def _addressed(body: Any, known: Users) -> Filled:
    name = _word(body, "user_id")
    user = known.get(name) if name is not None else None
    if name is None or "recipient" in body or body.get("channel") not in channels:
        return Filled(body, user=user)
    if user is None:
        text = "There is no such user; put it first, or give a recipient."
        return Filled(body, errors=(FieldError("/user_id", "unknown_user", text),))
    channel = body["channel"]
    address = user.addresses.get(channel)
    if address is None:
        text = f"This user has no address on {channel}."
        return Filled(body, errors=(FieldError("/user_id", "unreachable", text),))
    return Filled({**body, "recipient": address}, user=user)


def _from(owner: Owner, asked: Sequence[Filled]) -> list[Filled]:
    """The same, with who each is from. One read."""
    named = [(_word(one.body, "user_id"), _word(one.body, "org_id")) for one in asked]
    senders = read(owner.tenant_id, named)
    return [
        _spoken(one, senders.of(channel, *pair))
        if (channel := _word(one.body, "channel"))
        else one
        for one, pair in zip(asked, named, strict=True)
    ]


def _spoken(one: Filled, sender: Sender) -> Filled:
    origin = replace(
        one.origin,
        sender_scope=sender.sender_scope,
        chosen_provider_id=sender.provider_id,
        voice=sender.fields(),
    )
    return replace(one, origin=origin, sender=sender)


def _told(owner: Owner, slug: str, asked: Sequence[Filled], allowance: Allowance) -> list[Filled]:
    """The same, with the text of the template of this slug."""
    wanted = {one.body["channel"] for one in asked}
    slug = slug[: SLUG_CHARACTERS + 1]
    found = lookup(owner.tenant_id, slug, sorted(wanted), as_of=owner.templates_changed_at)
    answers = dict[int, Filled]()
    for channel, template in found.items():
        places = [place for place, one in enumerate(asked) if one.body["channel"] == channel]
        filled = _of_channel(template, [asked[place] for place in places], allowance)
        answers |= zip(places, filled, strict=True)
    return [answers[place] for place in range(len(asked))]


def _of_channel(
    template: Sendable | FieldError, asked: Sequence[Filled], allowance: Allowance
) -> Iterable[Filled]:
    if isinstance(template, FieldError):
        return [replace(one, errors=(template,)) for one in asked]
    sets = [Wanted(_locale(one), _data(one.body)) for one in asked]
    try:
        made = rendered(template, sets, allowance=allowance)
    except Unavailable as error:
        raise Problem("busy", headers={"Retry-After": "1"}) from error
    return [_written(one, text) for one, text in zip(asked, made, strict=True)]


def _written(one: Filled, text: Rendered | list[FieldError]) -> Filled:
    if isinstance(text, list):
        return replace(one, errors=tuple(text))
    own = [name for name in FIELDS[text.channel].values() if one.body.get(name) is not None]
    if own:
        detail = "The template has this; give the one or the other."
        errors = tuple(FieldError(f"/{name}", "not_with_template", detail) for name in own)
        return replace(one, errors=errors)
    body = {"category": text.category, **one.body, **text.fields}
    origin = replace(
        one.origin,
        template_version_id=text.version_id,
        template_version=text.number,
        locale=text.locale,
    )
    return replace(one, body=body, origin=origin)


def _locale(one: Filled) -> str | None:
    asked = one.body.get("locale")
    try:
        if isinstance(asked, str):
            return locale(asked)
    except ValueError:
        return None  # which the channel's check will name
    users, scopes = one.user.locale if one.user else None, one.sender.locale
    # What the tenant says of this very user goes before what the user says.
    return scopes or users if one.sender.locale_scope == USER else users or scopes


def _data(body: Body) -> Mapping[str, Any]:
    data = body.get("data")
    return data if isinstance(data, dict) else {}
