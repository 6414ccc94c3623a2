"""Senders: through which provider, as whom and in which locale a message goes, by whom it is for.

The nearest scope that has a field decides it: the user's, the organisation's, the app's. Address
and name go together, from the scope that has the address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from tenants.domains import domains_above
from tenants.models import Provider

ADDRESSES = {"email": "from_email", "sms": "from_phone"}
"""Which field of a config is the sender, by channel."""

USER, ORG, APP = "user", "org", "app"
SCOPES = (USER, ORG, APP)
"""From the nearest to the widest."""

Pair = tuple[str | None, str | None]
Key = tuple[str, str]

_READ = """
WITH found AS MATERIALIZED (
  SELECT c.*
    FROM unnest(%(scopes)s::text[], %(ids)s::text[]) w(scope, scope_id)
    JOIN tenants_senderconfig c
      ON c.tenant_id = %(tenant)s AND c.scope = w.scope AND c.scope_id = w.scope_id
)
SELECT scope, scope_id, jsonb_build_object(
         'scope', scope, 'providers', providers, 'from_email', from_email, 'from_name', from_name,
         'from_phone', from_phone, 'locale', locale)::text
  FROM found
 UNION ALL
SELECT 'provider', p.id::text, jsonb_build_object(
         'channel', p.channel, 'settings', p.settings, 'is_own', p.tenant_id = %(tenant)s,
         'is_usable', p.enabled)::text
  FROM tenants_provider p
 WHERE EXISTS (SELECT FROM found)
   AND (p.tenant_id = %(tenant)s OR p.shared AND p.enabled AND NOT EXISTS (
          SELECT FROM tenants_provider own
           WHERE own.tenant_id = %(tenant)s AND own.channel = p.channel))
 UNION ALL
SELECT 'domain', d.domain, NULL
  FROM tenants_senderdomain d
 WHERE %(strict)s::boolean AND EXISTS (SELECT FROM found)
   AND d.tenant_id = %(tenant)s AND d.verified_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Config:
    """What one scope says. Provider ids are by channel."""

    scope: str
    providers: Mapping[str, str]
    from_email: str | None
    from_name: str | None
    from_phone: str | None
    locale: str | None

    @property
    def place(self) -> int:
        """How near it is: 0 is the nearest."""
        return SCOPES.index(self.scope)

    def sender(self, channel: str) -> str:
        """The address or number for this channel."""
        return (channel in ADDRESSES and getattr(self, ADDRESSES[channel])) or ""


@dataclass(frozen=True, slots=True)
class Sender:
    """What the configs say of one message; empty and None is for the provider, or the engine, to
    say. `sender` is an address or a number, as the message's payload has it. The scopes say whose
    config each comes from."""

    provider_id: UUID | None = None
    sender: str = ""
    sender_name: str = ""
    locale: str | None = None
    provider_scope: str | None = None
    identity_scope: str | None = None
    locale_scope: str | None = None

    @property
    def sender_scope(self) -> str | None:
        """The scope of the provider, or else that of the address or name."""
        return self.provider_scope or self.identity_scope

    def fields(self) -> dict[str, str]:
        """What it adds to the message's payload, where that has nothing of its own."""
        found = {"sender": self.sender, "sender_name": self.sender_name}
        return {name: value for name, value in found.items() if value}


NOBODY = Sender()


def resolve(tenant_id: UUID, channel: str, pairs: Sequence[Pair]) -> list[Sender]:
    """The sender for each (user id, organisation id), in one query for all.

    A tenant without any config needs no query: the caller's key has said so already
    (`tenants.auth.Caller.has_senders`).
    """
    senders = read(tenant_id, pairs)
    return [senders.of(channel, user_id, org_id) for user_id, org_id in pairs]


def read(tenant_id: UUID, pairs: Sequence[Pair]) -> Senders:
    """What is known for these pairs on all channels, in one query; in none without pairs."""
    if not pairs:
        return Senders()
    keys = [(APP, ""), *{(USER, u) for u, _ in pairs if u}, *{(ORG, o) for _, o in pairs if o}]
    values: dict[str, Any] = {
        "tenant": tenant_id, "strict": settings.VERIFIED_DOMAINS,
        "scopes": [scope for scope, _ in keys], "ids": [scope_id for _, scope_id in keys],
    }  # fmt: skip
    found = Senders(is_strict=settings.VERIFIED_DOMAINS)
    with connection.cursor() as cursor:
        cursor.execute(_READ, values)
        for kind, key, facts in cursor.fetchall():
            found.add(kind, key, json.loads(facts) if facts else {})
    return found


@dataclass(slots=True)
class Senders:
    """The configs, the tenant's providers and, where it matters, its verified domains."""

    is_strict: bool = False
    configs: dict[Key, Config] = field(default_factory=dict)
    providers: dict[str, list[tuple[Provider, bool]]] = field(default_factory=dict)
    """Those of a channel, and whether they are its own."""

    domains: set[str] = field(default_factory=set)
    _made: dict[tuple[str, ...], Sender] = field(default_factory=dict)

    def add(self, kind: str, key: str, facts: dict[str, Any]) -> None:
        """One row of what was read."""
        if kind in SCOPES:
            self.configs[kind, key] = Config(**facts)
        elif kind == "domain":
            self.domains.add(key)
        else:
            enabled, channel = facts["is_usable"], facts["channel"]
            row = Provider(id=UUID(key), settings=facts["settings"], enabled=enabled)
            self.providers.setdefault(channel, []).append((row, facts["is_own"]))

    def of(self, channel: str, user_id: str | None, org_id: str | None) -> Sender:
        """The sender of a message to this user for this organisation."""
        wanted = ((USER, user_id or ""), (ORG, org_id or ""), (APP, ""))
        keys = [key for key in wanted if key in self.configs]
        if not keys:
            return NOBODY
        name = (channel, *(part for key in keys for part in key))
        if name not in self._made:
            self._made[name] = self._resolved(channel, [self.configs[key] for key in keys])
        return self._made[name]

    def _resolved(self, channel: str, configs: list[Config]) -> Sender:
        chosen = next(self._chosen(channel, configs), None)
        voice = next(self._voices(channel, configs, chosen), None)
        sender = voice.sender(channel) if voice else ""
        if chosen and sender and not chosen[1].allows_sender(sender):
            # It was chosen for a wider scope than the sender was.
            chosen = None
        name = voice.from_name if voice and channel == "email" else ""
        speaks = next((config for config in configs if config.locale), None)
        return Sender(
            provider_id=chosen[1].pk if chosen else None,
            sender=sender,
            sender_name=name or "",
            locale=speaks.locale if speaks else None,
            provider_scope=chosen[0].scope if chosen else None,
            identity_scope=voice.scope if voice else None,
            locale_scope=speaks.scope if speaks else None,
        )

    def _chosen(self, channel: str, configs: list[Config]) -> Iterator[tuple[Config, Provider]]:
        """The providers that are named, and are the tenant's, from the nearest on. A deleted one is
        as if it were not named."""
        own = {str(row.pk): row for row, is_own in self.providers.get(channel, ()) if is_own}
        for config in configs:
            if row := own.get(config.providers.get(channel, "")):
                yield config, row

    def _voices(
        self, channel: str, configs: list[Config], chosen: tuple[Config, Provider] | None
    ) -> Iterator[Config]:
        """The configs whose address can be the sender, from the nearest on; then those that have
        a name alone. The chosen provider must allow it, unless it was chosen for a wider scope."""
        usable = [row for row, _ in self.providers.get(channel, ()) if row.enabled]
        for config in configs:
            sender = config.sender(channel)
            if not sender or not self._is_verified(sender):
                continue
            may = [chosen[1]] if chosen and chosen[0].place <= config.place else usable
            if not may or any(row.allows_sender(sender) for row in may):
                yield config
        if channel == "email":
            yield from (c for c in configs if c.from_name and not c.from_email)

    def _is_verified(self, sender: str) -> bool:
        if not self.is_strict or "@" not in sender:
            return True
        return not self.domains.isdisjoint(domains_above(sender))
