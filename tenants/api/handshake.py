"""`GET /v1/handshake`: who a key is."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel

from hiram.lib import ids, pagination, rest, rfc3339
from hiram.lib.problems import Problem
from tenants.auth import Caller, TenantEndpoint
from tenants.models import ApiKey


class HandshakeTenant(BaseModel):
    """Whose key it is."""

    id: str
    name: str


class HandshakeKey(BaseModel):
    """Which key it is; `prefix` is its first characters, as lists show them."""

    id: str
    name: str
    prefix: str
    expires_at: str | None


class Handshake(BaseModel):
    """The answer. `limits` holds what this tenant may send at once; more is in this document."""

    tenant: HandshakeTenant
    mode: str
    key: HandshakeKey
    scopes: list[str]
    limits: dict[str, Any]


class HandshakeEndpoint(TenantEndpoint):
    """Needs a valid key, and no scope."""

    @extend_schema(
        operation_id="handshake",
        summary="Who am I?",
        description="The tenant, the mode and the scopes of the key that the request carries.",
        tags=["handshake"],
        responses={200: Handshake},
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer from the key's row."""
        pagination.read_parameters(request)
        return rest.answer(_handshake(self.caller).model_dump())


def _handshake(caller: Caller) -> Handshake:
    key = ApiKey.objects.filter(pk=caller.key_id).first()
    if key is None:
        raise Problem("unauthenticated")
    return Handshake(
        tenant=HandshakeTenant(id=caller.tenant, name=caller.tenant_name),
        mode=caller.mode,
        key=HandshakeKey(
            id=ids.show("key", key.pk),
            name=key.name,
            prefix=key.prefix,
            expires_at=rfc3339.show_if(key.expires_at),
        ),
        scopes=sorted(caller.scopes),
        limits={
            "request_octets": rest.BODY_OCTETS,
            "large_request_octets": rest.LARGE_BODY_OCTETS,
            "page_rows": pagination.MOST,
        }
        | caller.limits,
    )
