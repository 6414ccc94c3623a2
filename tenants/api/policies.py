"""`/v1/policies`: what a tenant decides for each category."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from pydantic import BaseModel

from hiram.lib import rest
from hiram.lib.pagination import read_parameters
from hiram.lib.problems import Problem
from tenants.auth import TenantEndpoint
from tenants.decisions import PolicyChange, ShownPolicy, decide, decisions
from tenants.models import Scope

_READ, _WRITE = Scope.POLICIES_READ.value, Scope.POLICIES_WRITE.value
_CATEGORY = OpenApiParameter(
    "category",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="transactional, operational or marketing",
)


class PolicyList(BaseModel):
    """The policies of all categories."""

    data: list[ShownPolicy]


class PoliciesEndpoint(TenantEndpoint):
    """All categories."""

    scopes: ClassVar[dict[str, str]] = {"GET": _READ}

    @extend_schema(
        operation_id="listPolicies",
        summary="List policies",
        description="One for each category, whether or not the tenant has decided anything.",
        tags=["policies"],
        responses={200: PolicyList},
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """The rules that hold."""
        read_parameters(request)
        found = decisions(self.caller.tenant_id)
        return rest.answer({"data": [one.model_dump(mode="json") for one in found]})


class PolicyEndpoint(TenantEndpoint):
    """One category."""

    scopes: ClassVar[dict[str, str]] = {"GET": _READ, "PATCH": _WRITE}

    @extend_schema(
        operation_id="getPolicy",
        summary="Read a policy",
        tags=["policies"],
        parameters=[_CATEGORY],
        responses={200: ShownPolicy},
    )
    def get(self, request: HttpRequest, category: str) -> HttpResponse:
        """The rules that hold."""
        read_parameters(request)
        for found in decisions(self.caller.tenant_id):
            if found.category == category:
                return _answer(found)
        raise Problem("not-found")

    @extend_schema(
        operation_id="changePolicy",
        summary="Change a policy",
        description="What is left out stays; null goes back to the default. What waits for its"
        " next try goes by the new rules, too.",
        tags=["policies"],
        request=PolicyChange,
        parameters=[_CATEGORY],
        responses={200: ShownPolicy},
        examples=[
            OpenApiExample("Hold what may be doubled", {"on_unknown": "hold"}, request_only=True),
            OpenApiExample("Keep no one-time passwords", {"retain_seconds": 0}, request_only=True),
            OpenApiExample(
                "Too late after an hour",
                {"missed_run": "send_within_seconds", "send_within_seconds": 3600},
                request_only=True,
            ),
        ],
    )
    def patch(self, request: HttpRequest, category: str) -> HttpResponse:
        """Change it."""
        read_parameters(request)
        given: Any = rest.validate(PolicyChange, rest.read_json(request))
        return _answer(decide(self.caller.tenant_id, category, given))


def _answer(found: ShownPolicy) -> HttpResponse:
    return rest.answer(found.model_dump(mode="json"))
