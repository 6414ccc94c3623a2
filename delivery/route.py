"""Route: a provider's account, opened, and the driver that speaks to it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection

from delivery.accounts import account
from delivery.driver import Account, Driver
from delivery.shelves import drivers
from hiram.lib.vault import SealBroken
from tenants.models import Provider


@dataclass(frozen=True, slots=True)
class Route:
    """The way that messages go through one account."""

    driver_name: str
    driver: Driver
    account: Account
    provider_id: UUID | None
    provider_name: str


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
        cursor.execute(_PAUSE, [reason, detail, provider_id, revision])


_PAUSE = """
INSERT INTO delivery_providerhealth AS h (id, tenant_id, provider_id, paused_at, reason, detail)
SELECT gen_random_uuid(), tenant_id, id, now(), %s, %s
  FROM tenants_provider WHERE id = %s AND updated_at = %s::timestamptz
   FOR SHARE
ON CONFLICT (provider_id) DO UPDATE
   SET paused_at = now(), reason = excluded.reason, detail = excluded.detail
 WHERE h.paused_at IS NULL
"""


def simulator(channel: str, sender: str = "") -> Route | None:
    """The route of test notifications: the simulator, where it runs and speaks this channel. It
    takes any `sender`."""
    if channel == "email" and settings.SIMULATOR_SMTP:
        host, _, port = settings.SIMULATOR_SMTP.rpartition(":")
        fields = {"host": host, "port": int(port), "security": "none", "username": ""}
        senders = {"from_email": "sandbox@simulator.test", "allowed_from": (sender,)}
        return _sandbox("smtp", fields | senders, {})
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
