"""Sender configs: writing and showing what a tenant has set for a user, an organisation or all.

The one way for API and portal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from hiram.lib import ids, rfc3339
from hiram.lib.problems import FieldError, Problem, pointer
from tenants.domains import unverified
from tenants.models import Provider, SenderConfig
from tenants.senders import ADDRESSES

SCOPE_ID_CHARACTERS = 256
NAME_CHARACTERS = 200
CHANNELS_MOST = 20


def put(
    tenant_id: UUID, scope: str, scope_id: str, given: Mapping[str, Any]
) -> tuple[SenderConfig, bool]:
    """Write the config of a scope, whatever it was, and say whether it is a new one.

    `given` has all fields, checked for their form; `providers` are public ids by channel.

    Raises:
        Problem: 422 for a provider that is not the tenant's own or is of another channel, and for
            a sender that it may not use.
    """
    own = list(Provider.objects.filter(tenant_id=tenant_id))
    named, errors = _named(own, given["providers"])
    errors += _wrong_senders(tenant_id, named, given)
    if errors:
        raise Problem("invalid", errors=errors)
    providers = {channel: str(provider.pk) for channel, provider in named.items()}
    with transaction.atomic():
        return SenderConfig.objects.update_or_create(
            tenant_id=tenant_id,
            scope=scope,
            scope_id=scope_id,
            defaults={**given, "providers": providers},
        )


def show_all(tenant_id: UUID, rows: Sequence[SenderConfig]) -> list[dict[str, Any]]:
    """The rows as the API shows them, in one query for all."""
    named = {key for row in rows for key in row.providers.values()}
    known = Provider.objects.filter(tenant_id=tenant_id, pk__in=named) if named else ()
    there = {str(provider.pk): provider.channel for provider in known}
    return [_show(row, there) for row in rows]


def _show(row: SenderConfig, there: Mapping[str, str]) -> dict[str, Any]:
    gone = [channel for channel, key in row.providers.items() if there.get(key) != channel]
    return {
        "scope": row.scope,
        "scope_id": row.scope_id or None,
        "providers": {c: ids.show("prv", UUID(key)) for c, key in row.providers.items()},
        "missing_providers": sorted(gone),
        "from_email": row.from_email,
        "from_name": row.from_name,
        "from_phone": row.from_phone,
        "locale": row.locale,
        "created_at": rfc3339.show(row.created_at),
        "updated_at": rfc3339.show(row.updated_at),
    }


def _named(
    own: Iterable[Provider], providers: Mapping[str, str]
) -> tuple[dict[str, Provider], list[FieldError]]:
    """The providers by channel; what is another's is as if unknown."""
    known = {ids.show("prv", provider.pk): provider for provider in own}
    named, errors = {}, []
    for channel, shown in providers.items():
        provider = known.get(shown)
        if provider is not None and provider.channel == channel:
            named[channel] = provider
        else:
            text = "This must be the id of one of your own providers of this channel."
            errors.append(FieldError(pointer("providers", channel), "not_an_option", text))
    return named, errors


def _wrong_senders(
    tenant_id: UUID, named: Mapping[str, Provider], given: Mapping[str, Any]
) -> Iterator[FieldError]:
    senders = {channel: given[name] for channel, name in ADDRESSES.items() if given[name]}
    if not senders:
        return
    usable = list(Provider.objects.usable_by(tenant_id))
    for channel, sender in senders.items():
        may = [named[channel]] if channel in named else [p for p in usable if p.channel == channel]
        if may and not any(provider.allows_sender(sender) for provider in may):
            who = "The provider named here" if channel in named else "No provider of yours"
            text = f"{who} may {'not ' if channel in named else ''}send as this; see allowed_from."
            yield FieldError(pointer(ADDRESSES[channel]), "sender_not_allowed", text)
    for sender in unverified(tenant_id, [*senders.values()]):
        text = f"Verify the domain {sender.rpartition('@')[2]} first, by POST /v1/sender-domains."
        yield FieldError("/from_email", "unverified_domain", text)
