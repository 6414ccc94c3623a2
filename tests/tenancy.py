"""Tenants, keys and callers, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any, TypeVar

from django.db import connections
from django.test import Client

from hiram.lib import ids
from tenants.auth import issue_key
from tenants.models import ALL_SCOPES, Tenant

T = TypeVar("T")


@dataclass(frozen=True)
class Said:
    """An answer of the API."""

    status: int
    body: Any
    headers: dict[str, str]
    raw: bytes

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Pointers and codes of what was wrong."""
        return [(error["pointer"], error["code"]) for error in self.body["errors"]]


@dataclass(frozen=True)
class Caller:
    """Calls the API with a key."""

    tenant: Tenant
    key: str

    def get(self, path: str) -> Said:
        return self._ask("GET", path)

    def post(self, path: str, body: Any = None) -> Said:
        return self._ask("POST", path, body)

    def put(self, path: str, body: Any) -> Said:
        return self._ask("PUT", path, body)

    def patch(self, path: str, body: Any) -> Said:
        return self._ask("PATCH", path, body)

    def delete(self, path: str) -> Said:
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, body: Any = None) -> Said:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body)
        response = Client().generic(
            method, path, data, content_type="application/json", headers={"X-Api-Key": self.key}
        )
        raw = response.content
        return Said(
            response.status_code, json.loads(raw) if raw else None, dict(response.items()), raw
        )


def make_tenant(name: str = "", mode: str = "live", **fields: Any) -> Tenant:
    return Tenant.objects.create(name=name or f"tenant {ids.new().hex}", mode=mode, **fields)


def caller(tenant: Tenant, *, mode: str = "live", scopes: Sequence[str] = ALL_SCOPES) -> Caller:
    _, text = issue_key(tenant, name="test", mode=mode, scopes=tuple(scopes))
    return Caller(tenant, text)


def together(count: int, act: Callable[[int], T]) -> list[T]:
    """What `count` threads answer that all begin at once."""
    barrier = Barrier(count, timeout=30)

    def run(index: int) -> T:
        barrier.wait()
        try:
            return act(index)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
