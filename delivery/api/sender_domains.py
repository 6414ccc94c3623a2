"""`/v1/sender-domains`: which domains a tenant has shown to be its own."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from delivery.api.sender_shapes import (
    LookedUp,
    NewSenderDomain,
    SenderDomainPage,
    ShownSenderDomain,
)
from hiram.lib import pagination, rest, rfc3339
from hiram.lib.pagination import paginate, read_parameters, read_query
from hiram.lib.problems import Problem
from tenants.auth import TenantEndpoint
from tenants.domains import Look, Outcome, claim, normalised, record_of, verify
from tenants.models import Scope, SenderDomain

_READ, _WRITE = Scope.PROVIDERS_READ.value, Scope.PROVIDERS_WRITE.value
_TAGS = ["senders"]
_LOOKS_AT_ONCE = 2
_looks = threading.BoundedSemaphore(_LOOKS_AT_ONCE)

_DOMAIN = OpenApiParameter(
    "domain", OpenApiTypes.STR, OpenApiParameter.PATH, description="In any of its forms."
)

_WORDS = {
    Outcome.VERIFIED: "The record is there.",
    Outcome.NO_RECORD: "There is no TXT record of this name. New ones may take a while to be seen.",
    Outcome.OTHER_RECORD: "There are TXT records of this name, but none with your value.",
    Outcome.NO_ANSWER: "Nothing has changed:",
}


class _SenderDomains(TenantEndpoint):
    scopes: ClassVar[dict[str, str]] = {"GET": _READ, "POST": _WRITE, "DELETE": _WRITE}

    @property
    def rows(self) -> QuerySet[SenderDomain]:
        """The tenant's, for keys of all modes alike."""
        return SenderDomain.objects.filter(tenant_id=self.caller.tenant_id)

    def row(self, domain: str) -> SenderDomain:
        """The tenant's claim of this domain. Raises Problem: 404."""
        try:
            found = self.rows.filter(domain=normalised(domain)).first()
        except ValueError as error:
            raise Problem("not-found") from error
        if found is None:
            raise Problem("not-found")
        return found


class SenderDomainsEndpoint(_SenderDomains):
    """`/v1/sender-domains`."""

    @extend_schema(
        operation_id="listSenderDomains",
        summary="List sender domains",
        description="Newest first.",
        tags=_TAGS,
        parameters=[
            OpenApiParameter("limit", {
                "type": "integer", "minimum": pagination.LEAST, "maximum": pagination.MOST,
                "default": pagination.DEFAULT,
            }, description="Rows of one page."),
            OpenApiParameter("cursor", OpenApiTypes.STR,
                             description="`next_cursor` of the page before."),
        ],
        responses={200: SenderDomainPage},
    )  # fmt: skip
    def get(self, request: HttpRequest) -> HttpResponse:
        """One page."""
        query = read_query(request)
        scope = (self.caller.tenant, self.caller.mode, "sender-domains")
        return rest.answer(paginate(self.rows, query, scope=scope).body(_show))

    @extend_schema(
        operation_id="addSenderDomain",
        summary="Claim a domain",
        description="The answer says which TXT record to set. The token in it is yours alone.",
        tags=_TAGS,
        request=NewSenderDomain,
        responses={
            200: OpenApiResponse(ShownSenderDomain, "It was claimed already; the record stays."),
            201: OpenApiResponse(ShownSenderDomain, "Claimed."),
        },
        examples=[OpenApiExample("A domain", {"domain": "example.com"}, request_only=True)],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Claim one."""
        read_parameters(request)
        given: NewSenderDomain = rest.validate(NewSenderDomain, rest.read_json(request))
        row, is_new = claim(self.caller.tenant_id, given.domain)
        location = {"Location": f"/v1/sender-domains/{row.domain}"} if is_new else {}
        return rest.answer(_show(row), 201 if is_new else 200, location)


class SenderDomainEndpoint(_SenderDomains):
    """`/v1/sender-domains/{domain}`."""

    @extend_schema(
        operation_id="getSenderDomain",
        summary="Read a sender domain",
        tags=_TAGS,
        parameters=[_DOMAIN],
        responses={200: ShownSenderDomain},
    )
    def get(self, request: HttpRequest, domain: str) -> HttpResponse:
        """Show it."""
        read_parameters(request)
        return rest.answer(_show(self.row(domain)))

    @extend_schema(
        operation_id="deleteSenderDomain",
        summary="Give a domain up",
        description="Where domains must be verified, nothing may be from it any more. To claim it"
        " again takes another record.",
        tags=_TAGS,
        parameters=[_DOMAIN],
        responses={204: OpenApiResponse(description="Gone.")},
    )
    def delete(self, request: HttpRequest, domain: str) -> HttpResponse:
        """Remove it; a second time there is none."""
        read_parameters(request)
        self.row(domain).delete()
        return HttpResponse(status=204)


class VerifySenderDomainEndpoint(_SenderDomains):
    """`/v1/sender-domains/{domain}/verify`."""

    scopes: ClassVar[dict[str, str]] = {"POST": _WRITE}

    @extend_schema(
        operation_id="verifySenderDomain",
        summary="Verify a domain",
        description="Asks the DNS now. Without an answer within 5 seconds nothing changes; a"
        " domain whose record is gone is not verified any more.",
        tags=_TAGS,
        request=None,
        parameters=[_DOMAIN],
        responses={200: LookedUp},
    )
    def post(self, request: HttpRequest, domain: str) -> HttpResponse:
        """Look and say; only a few at once, so that slow name servers hold no more threads."""
        read_parameters(request)
        row = self.row(domain)
        if not _looks.acquire(blocking=False):
            text = "Other domains are being verified."
            raise Problem("rate-limited", text, headers={"Retry-After": "5"})
        try:
            look = verify(row)
        finally:
            _looks.release()
        return rest.answer(_show(self.row(row.domain)) | _looked(look))


def _show(row: SenderDomain) -> dict[str, Any]:
    name, value = record_of(row)
    return {
        "domain": row.domain,
        "status": "verified" if row.verified_at else "pending",
        "record": {"type": "TXT", "name": name, "value": value},
        "verified_at": rfc3339.show_if(row.verified_at),
        "checked_at": rfc3339.show_if(row.checked_at),
        "created_at": rfc3339.show(row.created_at),
    }


def _looked(look: Look) -> dict[str, Any]:
    words = f"{_WORDS[look.outcome]} {look.detail}.".removesuffix(" .")
    return {"outcome": look.outcome, "detail": words, "found": list(look.found)}
