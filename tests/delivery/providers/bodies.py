"""Bodies of providers, and what is done with them all the time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from delivery.models import ProviderHealth
from delivery.simulator.server import Simulator
from hiram.lib import ids
from tenants.models import Provider
from tests.tenancy import Caller

CANARY = "canary-Zr8q3WkX"
UNKNOWN = ids.show("prv", UUID("019bf0a4-7b1e-7c3d-9e5f-0123456789ab"))


def smtp(name: str = "main", **fields: Any) -> dict[str, Any]:
    settings = {"host": "127.0.0.1", "port": 2525, "security": "none", "from_email": "a@b.example"}
    body = {"channel": "email", "driver": "smtp", "name": name, "settings": settings}
    return body | fields


def with_login(**fields: Any) -> dict[str, Any]:
    body = smtp(**fields)
    body["settings"] |= {"username": "hiram"}
    return body | {"credentials": {"password": CANARY}}


def made(by: Caller, body: dict[str, Any]) -> dict[str, Any]:
    said = by.post("/v1/providers", body)
    assert said.status == 201, said.body
    return dict(said.body)


def path(provider: dict[str, Any], more: str = "") -> str:
    return f"/v1/providers/{provider['id']}{more}"


def pause(provider: dict[str, Any]) -> None:
    row = Provider.objects.get(pk=ids.parse("prv", provider["id"]))
    ProviderHealth.objects.update_or_create(
        provider=row,
        tenant=row.tenant,
        defaults={
            "paused_at": row.updated_at,
            "reason": "bad_account",
            "detail": "535 5.7.8 no",
        },
    )


def at(sim: Simulator, **fields: Any) -> dict[str, Any]:
    body = with_login(**fields)
    body["settings"]["port"] = sim.smtp_port
    return body
