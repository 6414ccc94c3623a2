"""Calls of the API as a tenant's backend makes them, whatever their headers and bodies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

from tenants.models import ALL_SCOPES, Tenant
from tests.factories import make_key

PATH = "/v1/notifications"
BATCH = "/v1/notifications/batch"


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    body: Any
    headers: dict[str, str]
    raw: bytes

    @property
    def code(self) -> str:
        """The problem's code."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.body["status"] == self.status
        return str(self.body["code"])

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Pointers and codes of what is wrong."""
        return [(error["pointer"], error["code"]) for error in self.body["errors"]]

    @property
    def details(self) -> list[str]:
        """What is said to each."""
        return [error["detail"] for error in self.body["errors"]]

    @property
    def unnamed(self) -> Any:
        """The body without what names the request."""
        return {k: v for k, v in self.body.items() if k != "trace_request_id"}


@dataclass(frozen=True)
class Api:
    """Calls with one key, or with none."""

    key: str = ""

    def post(self, body: Any, path: str = PATH, **headers: str) -> Said:
        return self.ask("POST", path, body, **headers)

    def batch(self, *bodies: Any, mode: str | None = None, **headers: str) -> Said:
        body = {"notifications": list(bodies)} | ({"mode": mode} if mode else {})
        return self.ask("POST", BATCH, body, **headers)

    def get(self, path: str = PATH, **headers: str) -> Said:
        return self.ask("GET", path, **headers)

    def one(self, shown: str) -> Any:
        said = self.get(f"{PATH}/{shown}")
        assert said.status == 200
        return said.body

    def listed(self, query: str = "") -> list[str]:
        said = self.get(f"{PATH}?limit=100&{query}")
        assert said.status == 200, said.body
        assert not said.body["has_more"]
        return [row["id"] for row in said.body["data"]]

    def ask(
        self,
        method: str,
        path: str,
        body: Any = b"",
        *,
        content_type: str = "application/json",
        **headers: str,
    ) -> Said:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            named.setdefault("X-Api-Key", self.key)
        answer = Client(raise_request_exception=False).generic(
            method, path, raw, content_type, headers=named, CONTENT_TYPE=content_type
        )
        shown = json.loads(answer.content) if answer.content else None
        return Said(answer.status_code, shown, dict(answer.items()), answer.content)


def api(tenant: Tenant, mode: str = "live", scopes: tuple[str, ...] = ALL_SCOPES) -> Api:
    return Api(make_key(tenant, mode=mode, scopes=scopes))
