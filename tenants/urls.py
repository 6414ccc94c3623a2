"""Addresses below `/v1/`."""

from __future__ import annotations

from django.urls import path

from tenants.api import HandshakeEndpoint

urlpatterns = [path("handshake", HandshakeEndpoint.as_view(), name="handshake")]
