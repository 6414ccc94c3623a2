"""Addresses below `/v1/`."""

from __future__ import annotations

from django.urls import path

from delivery.api.endpoints import (
    DriversEndpoint,
    ProviderEndpoint,
    ProvidersEndpoint,
    ProviderTestEndpoint,
)
from delivery.api.explain import ExplainEndpoint
from delivery.api.sender_configs import (
    AppSenderConfigEndpoint,
    SenderConfigEndpoint,
    SenderConfigsEndpoint,
)
from delivery.api.sender_domains import (
    SenderDomainEndpoint,
    SenderDomainsEndpoint,
    VerifySenderDomainEndpoint,
)

urlpatterns = [
    path("explain", ExplainEndpoint.as_view(), name="explain"),
    path("drivers", DriversEndpoint.as_view(), name="drivers"),
    path("providers", ProvidersEndpoint.as_view(), name="providers"),
    path("providers/<str:provider_id>", ProviderEndpoint.as_view(), name="provider"),
    path("providers/<str:provider_id>/test", ProviderTestEndpoint.as_view(), name="provider-test"),
    path("sender-configs", SenderConfigsEndpoint.as_view(), name="sender-configs"),
    path("sender-configs/app", AppSenderConfigEndpoint.as_view(), name="app-sender-config"),
    path(
        "sender-configs/<str:scope>/<path:scope_id>",
        SenderConfigEndpoint.as_view(),
        name="sender-config",
    ),
    path("sender-domains", SenderDomainsEndpoint.as_view(), name="sender-domains"),
    path("sender-domains/<str:domain>", SenderDomainEndpoint.as_view(), name="sender-domain"),
    path(
        "sender-domains/<str:domain>/verify",
        VerifySenderDomainEndpoint.as_view(),
        name="sender-domain-verify",
    ),
]
