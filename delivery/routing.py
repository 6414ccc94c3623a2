"""Routing: which provider carries a message, chosen at delivery from its health at that moment."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from delivery import choice
from delivery.choice import Candidate, Past, Reason, Standing
from delivery.driver import Account
from delivery.limits import limits
from delivery.route import Route, opened
from delivery.shelves import drivers
from hiram.lib import ids
from tenants.models import Provider

NO_PROVIDER = "no_provider"
PROVIDER_PAUSED = "provider_paused"
PROVIDER_FAILING = "provider_failing"
PROVIDER_LIMITED = "provider_limited"
SENDER_NOT_ALLOWED = "sender_not_allowed"

ASIDE_SECONDS = 15
"""How long a message waits that only a provider out of use may carry, while others are in use."""


@dataclass(frozen=True, slots=True)
class Way:
    """A route and why it was chosen. `scope` is whose sender config the message goes by."""

    route: Route
    reason: Reason
    passed_over: tuple[tuple[str, str], ...] = ()
    max_in_flight: int | None = None
    scope: str | None = None

    def explained(self) -> dict[str, Any]:
        """As an attempt keeps it."""
        over = [{"provider": name, "reason": why} for name, why in self.passed_over]
        return {"reason": self.reason, "scope": self.scope, "passed_over": over}


@dataclass(frozen=True, slots=True)
class NoWay:
    """Nothing can carry the message now.

    Its lane waits (`parks`, for `seconds` at least), or the message alone for `seconds`; without
    either it never can be carried.
    """

    reason: str
    parks: bool = True
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """Which provider a message's user, organisation or app has chosen, if it can be asked; else
    who was passed over for it, and why."""

    provider_id: UUID | None
    passed_over: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Offer:
    """A provider, and what is known of it just now."""

    provider: Provider
    candidate: Candidate

    @property
    def rate(self) -> float | None:
        """Calls in a second, as the tenant wants it, or else as the driver knows it."""
        driver = drivers.get(self.provider.driver)
        return self.provider.max_per_second or (driver.max_per_second if driver else None)


_PROVIDERS = """
SELECT t.id, p.id, p.tenant_id, p.channel, p.driver, p.name, p.settings::text, p.sealed,
       p.updated_at, p.priority, p.weight, p.max_per_second, p.max_in_flight,
       coalesce(h.share, 100),
       CASE WHEN NOT p.enabled THEN 'disabled'
            WHEN h.paused_at IS NOT NULL THEN 'paused'
            WHEN h.open_until > now() THEN h.trouble
            WHEN h.open_until IS NULL THEN 'usable'
            WHEN h.probe_until > now() THEN 'probing'
            ELSE 'half_open' END
  FROM unnest(%s::uuid[]) t(id)
 CROSS JOIN LATERAL (
   SELECT * FROM tenants_provider WHERE tenant_id = t.id
    UNION ALL
   SELECT * FROM tenants_provider s WHERE s.shared AND s.tenant_id <> t.id AND NOT EXISTS (
     SELECT FROM tenants_provider own WHERE own.tenant_id = t.id AND own.channel = s.channel)) p
  LEFT JOIN delivery_providerhealth h ON h.provider_id = p.id
 WHERE p.enabled OR p.id = ANY(%s)
 ORDER BY p.priority, p.created_at, p.id
"""

_PROBE = """
UPDATE delivery_providerhealth
   SET probe_until = clock_timestamp() + make_interval(secs => %s)
 WHERE provider_id = %s AND open_until <= clock_timestamp()
   AND (probe_until IS NULL OR probe_until <= clock_timestamp())
"""


class Routes:
    """The providers that a batch of messages may go through, read once for the batch."""

    def __init__(
        self,
        tenants: Iterable[UUID],
        chosen: Iterable[UUID] = (),
        chance: Callable[[], float] = random.random,
        *,
        only_looks: bool = False,
    ) -> None:
        """Read the providers of these tenants, their own or else the platform's; those that are
        `chosen` also where they are disabled, to say so. One that `only_looks` takes no probe and
        no token and opens no account: its ways are to be shown, not to be gone."""
        self._chance = chance
        self._only_looks = only_looks
        self._found: dict[UUID, list[Offer]] = {t: [] for t in tenants}
        with connection.cursor() as cursor:
            cursor.execute(_PROVIDERS, [list(self._found), list(chosen)])
            for for_tenant, *columns in cursor.fetchall():
                self._found[for_tenant].append(_offer(columns))

    def choose(
        self,
        tenant_id: UUID,
        channel: str,
        sender: str,
        past: Past,
        scoped: UUID | None = None,
    ) -> Way | NoWay:
        """The way of one message, first of all through the `scoped` provider; a probe or a token
        that it needs is taken."""
        every = [o for o in self._found[tenant_id] if o.provider.channel == channel]
        found = [o for o in every if o.candidate.standing is not Standing.DISABLED]
        if not found:
            return NoWay(NO_PROVIDER)
        allowed = [o for o in found if _allows(o, sender)]
        wanted = next((o for o in every if o.provider.pk == scoped), None)
        if not allowed:
            return _nobody_allows(wanted, sender)
        return self._first_able(found, allowed, past, _out_of_question(scoped, wanted, allowed))

    def _first_able(
        self, found: list[Offer], allowed: list[Offer], past: Past, wish: Wish
    ) -> Way | NoWay:
        wait = 0.0
        passed_over = list(wish.passed_over)
        offers = {o.candidate.id: o for o in allowed}
        candidates = [
            o.candidate.scoped() if o.provider.pk == wish.provider_id else o.candidate
            for o in allowed
        ]
        for chosen in choice.choices(candidates, past, self._chance):
            offer = offers[chosen.candidate.id]
            no = self._hindered(offer)
            if isinstance(no, Way):
                reason = Reason.FAILOVER if passed_over else chosen.reason
                if chosen.reason in (Reason.AFTER_UNKNOWN, Reason.PROBE):
                    reason = chosen.reason  # what it is to show is more than who was before it
                over = (*chosen.passed_over, *passed_over)
                return replace(no, reason=reason, passed_over=over)
            wait = max(wait, no)
            passed_over.append((offer.provider.name, _why_not(offer, no)))
        return self._no_way(found, allowed, wait)

    def senders(self, provider_id: UUID | None) -> Mapping[str, Any]:
        """The open settings of this provider, which name its usual sender."""
        every = (offer.provider for offers in self._found.values() for offer in offers)
        return next((row.settings for row in every if row.pk == provider_id), {})

    def back(self, tenant_id: UUID, provider_id: UUID | None) -> Way | None:
        """The way to a provider that was called before, whatever its health."""
        for offer in self._found[tenant_id]:
            if offer.candidate.standing is Standing.DISABLED:
                continue
            if offer.provider.pk == provider_id and (route := opened(offer.provider)):
                return Way(route, Reason.AFTER_UNKNOWN, (), offer.provider.max_in_flight)
        return None

    def _hindered(self, offer: Offer) -> Way | float:
        """The way through this provider, or for how many seconds there is none."""
        if self._only_looks:
            return _seen(offer)
        route = opened(offer.provider)
        if route is None:
            self._stand(offer, Standing.PAUSED)
            return 0.0
        if offer.rate and (wait := limits().take(offer.provider.pk, offer.rate)):
            return wait
        if offer.candidate.standing is Standing.HALF_OPEN and not self._probes(offer):
            return 0.0
        return Way(route, Reason.PRIMARY, max_in_flight=offer.provider.max_in_flight)

    def _probes(self, offer: Offer) -> bool:
        """Whether this message is the one to try it: at any time there is one."""
        self._stand(offer, Standing.PROBING)
        with connection.cursor() as cursor:
            cursor.execute(_PROBE, [settings.LEASE_SECONDS, offer.provider.pk])
            return bool(cursor.rowcount)

    @staticmethod
    def _stand(offer: Offer, standing: Standing) -> None:
        offer.candidate = replace(offer.candidate, standing=standing)

    @staticmethod
    def _no_way(found: list[Offer], allowed: list[Offer], wait: float) -> NoWay:
        others = [o for o in found if o not in allowed]
        if any(o.candidate.standing in choice.ABLE for o in others):
            reason = PROVIDER_LIMITED if wait else PROVIDER_PAUSED
            return NoWay(reason, parks=False, seconds=wait or ASIDE_SECONDS)
        if wait:
            return NoWay(PROVIDER_LIMITED, seconds=wait)
        is_paused = all(o.candidate.standing is Standing.PAUSED for o in allowed)
        return NoWay(PROVIDER_PAUSED if is_paused else PROVIDER_FAILING)


def _seen(offer: Offer) -> Way | float:
    row, driver = offer.provider, drivers.get(offer.provider.driver)
    if driver is None:
        return 0.0
    return Way(
        Route(row.driver, driver, Account(str(row.pk), "", None, None), row.pk, row.name),
        Reason.PRIMARY,
    )


def _allows(offer: Offer, sender: str) -> bool:
    return not sender or offer.provider.allows_sender(sender)


def _nobody_allows(wanted: Offer | None, sender: str) -> NoWay:
    """What is to go as a sender of one that is disabled waits: that may be enabled again."""
    if wanted is not None and _allows(wanted, sender):
        return NoWay(PROVIDER_PAUSED, parks=False, seconds=ASIDE_SECONDS)
    return NoWay(SENDER_NOT_ALLOWED, parks=False)


def _out_of_question(scoped: UUID | None, wanted: Offer | None, allowed: list[Offer]) -> Wish:
    """The chosen provider, or why it is not even asked."""
    if scoped is None or wanted in allowed:
        return Wish(scoped)
    if wanted is None:
        return Wish(None, ((ids.show("prv", scoped), choice.DELETED),))
    is_disabled = wanted.candidate.standing is Standing.DISABLED
    why = str(Standing.DISABLED) if is_disabled else choice.SENDER_NOT_ALLOWED
    return Wish(None, ((wanted.provider.name, why),))


def _why_not(offer: Offer, wait: float) -> str:
    if wait:
        return choice.LIMITED
    is_probing = offer.candidate.standing is Standing.PROBING
    return str(Standing.PROBING) if is_probing else choice.UNREADABLE


def _offer(columns: list[Any]) -> Offer:
    key, tenant_id, channel, driver, name, fields, sealed, updated_at, *rest = columns
    priority, weight, max_per_second, max_in_flight, share, standing = rest
    provider = Provider(
        id=key,
        tenant_id=tenant_id,
        channel=channel,
        driver=driver,
        name=name,
        settings=json.loads(fields),
        sealed=bytes(sealed),
        updated_at=updated_at,
        max_per_second=max_per_second,
        max_in_flight=max_in_flight,
    )
    return Offer(provider, Candidate(key, name, priority, weight, share, Standing(standing)))
