"""Routing: which provider carries a message, chosen at delivery from its health at that moment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from delivery.accounts import account
from delivery.driver import Account, Driver
from delivery.shelves import drivers
from hiram.lib.vault import SealBroken
from tenants.models import Provider

NO_PROVIDER = "no_provider"
PROVIDER_PAUSED = "provider_paused"


@dataclass(frozen=True, slots=True)
class Route:
    """The way that one message goes: a provider's account and the driver that speaks to it."""

    driver_name: str
    driver: Driver
    account: Account
    provider_id: UUID | None
    provider_name: str


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Nothing can carry the message now; `parks` tells waiting from failing."""

    reason: str
    parks: bool


_PROVIDERS = """
SELECT t.id, p.id, p.tenant_id, p.channel, p.driver, p.name, p.settings::text, p.sealed,
       p.updated_at,
       coalesce(h.paused_at IS NOT NULL OR h.open_until > now(), false)
  FROM unnest(%s::uuid[]) t(id)
 CROSS JOIN LATERAL (
   SELECT * FROM tenants_provider WHERE tenant_id = t.id
    UNION ALL
   SELECT * FROM tenants_provider s WHERE s.shared AND s.tenant_id <> t.id AND NOT EXISTS (
     SELECT FROM tenants_provider own WHERE own.tenant_id = t.id AND own.channel = s.channel)) p
  LEFT JOIN delivery_providerhealth h ON h.provider_id = p.id
 WHERE p.enabled
 ORDER BY p.priority, p.created_at, p.id
"""


class Routes:
    """The providers that a batch of messages may go through, read once for the batch."""

    def __init__(self, tenants: Iterable[UUID]) -> None:
        """Read the providers of these tenants, their own or else the platform's."""
        self._found: dict[UUID, list[tuple[Provider, bool]]] = {t: [] for t in tenants}
        with connection.cursor() as cursor:
            cursor.execute(_PROVIDERS, [list(self._found)])
            for for_tenant, *columns, is_paused in cursor.fetchall():
                self._found[for_tenant].append((_provider(columns), is_paused))

    def choose(self, tenant_id: UUID, channel: str, sender: str) -> Route | NoRoute:
        """The first provider by priority that is usable and may send as `sender`."""
        found = [(p, no) for p, no in self._found[tenant_id] if p.channel == channel]
        if not found:
            return NoRoute(NO_PROVIDER, parks=True)
        allowed = [(p, no) for p, no in found if not sender or p.allows_sender(sender)]
        if not allowed:
            return NoRoute("sender_not_allowed", parks=False)
        for provider, is_paused in allowed:
            if not is_paused and (route := opened(provider)):
                return route
        return NoRoute(PROVIDER_PAUSED, parks=True)


def _provider(columns: list[Any]) -> Provider:
    key, tenant_id, channel, driver, name, fields, sealed, updated_at = columns
    return Provider(
        id=key,
        tenant_id=tenant_id,
        channel=channel,
        driver=driver,
        name=name,
        settings=json.loads(fields),
        sealed=bytes(sealed),
        updated_at=updated_at,
    )


def opened(provider: Provider) -> Route | None:
    """The provider's route; None, and the provider paused, when it cannot be opened."""
    known = _opened.get(provider.pk)
    if known is not None and known.account.revision == provider.updated_at.isoformat():
        return known
    try:
        driver = drivers[provider.driver]
        route = Route(provider.driver, driver, account(provider), provider.pk, provider.name)
    except (SealBroken, KeyError, TypeError) as error:
        reason = "credentials" if isinstance(error, SealBroken) else "driver"
        _pause(provider.pk, provider.updated_at.isoformat(), reason, f"{error}")
        return None
    if len(_opened) >= _OPENED_MOST:
        _opened.clear()
    _opened[provider.pk] = route
    return route


_OPENED_MOST = 4_096
_opened: dict[UUID, Route] = {}
"""Routes by provider, each good for one revision: decrypting costs more than looking."""


def pause(route: Route, reason: str, detail: str) -> None:
    """Stop using a provider until someone changes or resumes it: rows wait, none is burned.

    Nothing happens when the provider was changed since the route was chosen.
    """
    if route.provider_id is not None:
        _pause(route.provider_id, route.account.revision, reason, detail)


def _pause(provider_id: UUID, revision: str, reason: str, detail: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_PAUSE, [reason, detail[:2000], provider_id, revision])


_PAUSE = """
INSERT INTO delivery_providerhealth AS h
       (id, tenant_id, provider_id, paused_at, reason, detail, consecutive_failures)
SELECT gen_random_uuid(), tenant_id, id, now(), %s, %s, 0
  FROM tenants_provider WHERE id = %s AND updated_at = %s::timestamptz
   FOR SHARE
ON CONFLICT (provider_id) DO UPDATE
   SET paused_at = now(), reason = excluded.reason, detail = excluded.detail
 WHERE h.paused_at IS NULL
"""


def simulator(channel: str) -> Route | None:
    """The route of test notifications: the simulator, where it runs and speaks this channel."""
    if channel == "email" and settings.SIMULATOR_SMTP:
        host, _, port = settings.SIMULATOR_SMTP.rpartition(":")
        fields = {"host": host, "port": int(port), "security": "none", "username": ""}
        return _sandbox("smtp", fields | {"from_email": "sandbox@simulator.test"}, {})
    if channel == "sms" and settings.SIMULATOR_URL:
        url = f"{settings.SIMULATOR_URL}/twilio"
        fields = {"account_sid": "AC" + "0" * 32, "from_number": "+15005550006", "api_url": url}
        return _sandbox("twilio", fields, {"auth_token": "sandbox"})
    return None


def _sandbox(name: str, fields: dict[str, object], secrets: dict[str, str]) -> Route:
    driver = drivers[name]
    opened_account = Account(
        "simulator", "1", driver.settings(**fields), driver.credentials(**secrets)
    )
    return Route(name, driver, opened_account, None, "simulator")
