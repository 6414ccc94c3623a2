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

urlpatterns = [
    path("explain", ExplainEndpoint.as_view(), name="explain"),
    path("drivers", DriversEndpoint.as_view(), name="drivers"),
    path("providers", ProvidersEndpoint.as_view(), name="providers"),
    path("providers/<str:provider_id>", ProviderEndpoint.as_view(), name="provider"),
    path("providers/<str:provider_id>/test", ProviderTestEndpoint.as_view(), name="provider-test"),
]
