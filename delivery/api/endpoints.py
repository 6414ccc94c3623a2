"""The endpoints of providers and drivers."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from delivery import probe
from delivery.api import docs
from delivery.api.shapes import ProviderTest, shown_driver
from delivery.provider import NewProvider, ProviderChange
from delivery.providers import add, change, remove, show
from delivery.shelves import drivers
from hiram.lib import ids, rest
from hiram.lib.pagination import paginate, read_parameters, read_query, refused
from hiram.lib.problems import FieldError, Problem
from tenants.auth import TenantEndpoint
from tenants.models import Provider, Scope

_READ, _WRITE = Scope.PROVIDERS_READ.value, Scope.PROVIDERS_WRITE.value
_PROBES_AT_ONCE = 2
_probes = threading.BoundedSemaphore(_PROBES_AT_ONCE)


class ProvidersEndpoint(TenantEndpoint):
    """The tenant's providers, whatever the key's mode."""

    scopes: ClassVar[dict[str, str]] = {"GET": _READ, "POST": _WRITE}

    @docs.list_
    def get(self, request: HttpRequest) -> HttpResponse:
        """One page."""
        query = read_query(request, "channel", "driver", "enabled")
        filters: dict[str, Any] = dict(query.filters)
        if "enabled" in filters:
            filters["enabled"] = _flag("enabled", filters["enabled"])
        scope = (self.caller.tenant, self.caller.mode, "providers")
        rows = _providers(self).filter(**filters).select_related("health")
        return rest.answer(paginate(rows, query, scope=scope).body(show))

    @docs.create
    def post(self, request: HttpRequest) -> HttpResponse:
        """Make one."""
        read_parameters(request)
        given = rest.validate(NewProvider, rest.read_json(request))
        shown = show(add(self.caller.tenant_id, given))
        return rest.answer(shown, 201, {"Location": f"/v1/providers/{shown['id']}"})


class ProviderEndpoint(TenantEndpoint):
    """One provider."""

    scopes: ClassVar[dict[str, str]] = {"GET": _READ, "PATCH": _WRITE, "DELETE": _WRITE}

    @docs.read
    def get(self, request: HttpRequest, provider_id: str) -> HttpResponse:
        """Show it."""
        read_parameters(request)
        return rest.answer(show(_provider(self, provider_id)))

    @docs.update
    def patch(self, request: HttpRequest, provider_id: str) -> HttpResponse:
        """Change it."""
        read_parameters(request)
        provider = _provider(self, provider_id)
        body = rest.read_json(request)
        _refuse_fixed(body)
        change(provider, rest.validate(ProviderChange, body))
        return rest.answer(show(provider))

    @docs.delete
    def delete(self, request: HttpRequest, provider_id: str) -> HttpResponse:
        """Remove it; a second time there is none."""
        read_parameters(request)
        remove(_provider(self, provider_id))
        return HttpResponse(status=204)


class ProviderTestEndpoint(TenantEndpoint):
    """One provider, tried."""

    scopes: ClassVar[dict[str, str]] = {"POST": _WRITE}

    @docs.test
    def post(self, request: HttpRequest, provider_id: str) -> HttpResponse:
        """Send and wait; only a few at once, so that slow providers hold no more threads."""
        read_parameters(request)
        provider = _provider(self, provider_id)
        asked = rest.validate(ProviderTest, rest.read_json(request))
        if self.caller.mode != "live":
            probe.compose(provider.channel, asked.recipient)
            return rest.answer(probe.shadow_facts())
        if not _probes.acquire(blocking=False):
            raise Problem("rate-limited", "Other tests are running.", headers={"Retry-After": "5"})
        try:
            facts = probe.facts(*probe.test_provider(provider, asked.recipient))
        except probe.Shadowed:
            facts = probe.shadow_facts()
        finally:
            _probes.release()
        return rest.answer(facts)


class DriversEndpoint(TenantEndpoint):
    """The drivers of this installation."""

    scopes: ClassVar[dict[str, str]] = {"GET": _READ}

    @docs.drivers
    def get(self, request: HttpRequest) -> HttpResponse:
        """All, or those of one channel."""
        channel = read_parameters(request, "channel").get("channel")
        found = [
            shown_driver(key, driver)
            for key, driver in drivers.items()
            if channel in (None, driver.channel)
        ]
        return rest.answer({"data": found})


def _providers(endpoint: TenantEndpoint) -> QuerySet[Provider]:
    return Provider.objects.filter(tenant_id=endpoint.caller.tenant_id)


def _provider(endpoint: TenantEndpoint, provider_id: str) -> Provider:
    try:
        key = ids.parse("prv", provider_id)
    except ids.MalformedId as error:
        raise Problem("not-found") from error
    found = _providers(endpoint).filter(pk=key).select_related("health", "tenant").first()
    if found is None:
        raise Problem("not-found")
    return found


def _refuse_fixed(body: Any) -> None:
    fixed = [name for name in ("channel", "driver") if isinstance(body, dict) and name in body]
    if fixed:
        text = "This cannot be changed. Make another provider."
        raise Problem("invalid", errors=[FieldError(f"/{n}", "immutable", text) for n in fixed])


def _flag(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        error = refused(name, "not_an_option", "This must be true or false.")
        raise Problem("bad-query", errors=[error])
    return text == "true"
