"""Addresses below `/v1/`."""

from __future__ import annotations

from django.urls import path

from tenants.api.handshake import HandshakeEndpoint
from tenants.api.policies import PoliciesEndpoint, PolicyEndpoint

urlpatterns = [
    path("handshake", HandshakeEndpoint.as_view(), name="handshake"),
    path("policies", PoliciesEndpoint.as_view(), name="policies"),
    path("policies/<str:category>", PolicyEndpoint.as_view(), name="policy"),
]
