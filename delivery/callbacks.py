"""`/callbacks/{driver}/{provider_id}/{token}`: where vendors report to.

Nothing is read and nothing changes before token and signature are right. A wrong token is refused
without the database: whether there is such a provider cannot be told from it.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema

from delivery.accounts import account
from delivery.callback_url import named
from delivery.driver import Account, Forged, Report, Request, Unreadable
from delivery.receive import keep
from delivery.shelves import drivers
from hiram.lib.first_query import first_row
from hiram.lib.problems import Problem
from hiram.lib.rest import BODY_OCTETS, Endpoint, read_body
from hiram.lib.vault import SealBroken
from tenants.models import Provider

logger = logging.getLogger(__name__)

_FIELDS = ("id", "tenant_id", "driver", "settings", "sealed", "updated_at")
_PROVIDER = """
SELECT id, tenant_id, driver, settings, sealed, updated_at, xmin::text
  FROM tenants_provider WHERE id = %s AND driver = %s
"""

REMEMBERED = 1_000
"""Providers that a process remembers, opened: vendors come in storms."""


class _Known(NamedTuple):
    """A provider as it was read, at this version of its row."""

    provider: Provider
    account: Account
    version: str


_remembered: dict[tuple[str, UUID], _Known] = {}


@extend_schema(exclude=True)
class CallbackEndpoint(Endpoint):
    """One provider's. No part of the API: it speaks as the vendor does."""

    def get(self, request: HttpRequest, driver: str, provider_id: str, token: str) -> HttpResponse:
        """Some vendors look whether there is anybody (Mandrill, Unisender Go)."""
        _read(driver, _named(provider_id, token))
        return HttpResponse(status=204)

    def post(
        self, request: HttpRequest, driver: str, provider_id: str, token: str
    ) -> HttpResponse:
        """Keep what is reported; what it means is applied afterwards.

        What is remembered of the provider is never the last word: a call that does not fit it is
        held against the provider as it is now, and nothing is kept for one that has changed.
        """
        key = _named(provider_id, token)
        body = read_body(request, limit=BODY_OCTETS)
        _check_json(body)
        asked = _asked(request, body)
        kept = False
        with suppress(KeyError, Problem):
            kept = _keep(_remembered[driver, key], asked)
        if not (kept or _keep(_read(driver, key), asked)):
            raise Problem("unavailable", "The provider is being changed.")
        return HttpResponse(status=200)


def _named(provider_id: str, token: str) -> UUID:
    """The provider whose address this is.

    Raises:
        Problem: 403 for a token that is not the id's.
    """
    found = named(provider_id, token)
    if found is None:
        raise Problem("forged", "The token in the address is not this provider's.")
    return found


def _read(driver: str, key: UUID) -> _Known:
    """The provider as it is now; remembered.

    Raises:
        Problem: 404 where there is none, 503 when its credentials cannot be read.
    """
    # By hand, and only what a callback needs.
    row = first_row(_PROVIDER, [key, driver])
    if row is None or driver not in drivers or not drivers[driver].gives_receipts:
        raise Problem("not-found")
    provider_id, tenant_id, _, fields, sealed, updated_at, version = row
    values = [provider_id, tenant_id, driver, json.loads(fields), sealed, updated_at]
    provider = Provider.from_db(None, _FIELDS, values)
    try:
        known = _Known(provider, account(provider), version)
    except (SealBroken, TypeError) as error:
        # The vendor tries again, by when somebody may have mended it.
        logger.warning("a callback cannot be checked: %s", type(error).__name__)
        raise Problem("unavailable", "The provider's credentials cannot be read.") from error
    if len(_remembered) >= REMEMBERED:
        _remembered.clear()
    _remembered[driver, key] = known
    return known


def _keep(known: _Known, asked: Request) -> bool:
    """Keep what this call reports; false if the provider is no longer the one that is known.

    Raises:
        Problem: 403 or 400, for a call that is not its vendor's.
    """
    return keep(known.provider, _reports(known, asked), known.version)


def _reports(known: _Known, asked: Request) -> list[Report]:
    match drivers[known.provider.driver].receipts(known.account, asked):
        case Forged(detail):
            raise Problem("forged", f"{detail[:1].upper()}{detail[1:]}.")
        case Unreadable(detail):
            raise Problem("malformed", f"This is not a call of the vendor's: {detail}.")
        case reports:
            return reports


def _asked(request: HttpRequest, body: bytes) -> Request:
    """With the public address, as the vendor has it, wherever a proxy sent it on to."""
    return Request(
        method="POST",
        url=settings.PUBLIC_URL + request.get_full_path(),
        headers={name.lower(): value for name, value in request.headers.items()},
        query=request.META.get("QUERY_STRING", ""),
        body=body,
    )


def _check_json(body: bytes) -> None:
    """What begins as JSON is JSON; so deep that it cannot be read, it is refused, not crashed on.

    Raises:
        Problem: 400.
    """
    if body.lstrip()[:1] not in (b"{", b"["):
        return
    try:
        json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem("malformed", "The body is not JSON, or nested too deeply.") from error
