"""`/v1/template-partials` and `/v1/brand`: what templates share."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from hiram.lib import rfc3339
from hiram.lib.pagination import read_parameters
from hiram.lib.problems import Problem
from hiram.lib.rest import answer, read_json, validate
from notifications.api import branding_docs as docs
from notifications.api.templates import OfTemplates
from notifications.catalog import branding
from notifications.catalog.shapes import BrandGiven, PartialGiven, is_partial_name
from notifications.models import Brand, TemplatePartial


class PartialsEndpoint(OfTemplates):
    """`/v1/template-partials`."""

    @docs.list_partials
    def get(self, request: HttpRequest) -> HttpResponse:
        """All of them."""
        read_parameters(request)
        return answer({"data": [_show(row) for row in branding.partials(self.caller.tenant_id)]})


class PartialEndpoint(OfTemplates):
    """`/v1/template-partials/{name}`."""

    def _rows(self, name: str) -> QuerySet[TemplatePartial]:
        rows = branding.partials(self.caller.tenant_id)
        return rows.filter(name=name) if is_partial_name(name) else rows.none()

    @docs.get_partial
    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show it."""
        read_parameters(request)
        row = self._rows(name).first()
        if row is None:
            raise Problem("not-found")
        return answer(_show(row))

    @docs.put_partial
    def put(self, request: HttpRequest, name: str) -> HttpResponse:
        """Write it."""
        read_parameters(request)
        given: PartialGiven = validate(PartialGiven, read_json(request))
        row, is_new = branding.put_partial(self.caller.tenant_id, name, given.body)
        return answer(_show(row), 201 if is_new else 200)

    @docs.delete_partial
    def delete(self, request: HttpRequest, name: str) -> HttpResponse:
        """Remove it; a second time there is none."""
        read_parameters(request)
        gone, _ = self._rows(name).delete()
        if not gone:
            raise Problem("not-found")
        return HttpResponse(status=204)


class BrandEndpoint(OfTemplates):
    """`/v1/brand`."""

    @docs.get_brand
    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it; empty while nothing was written."""
        read_parameters(request)
        row = Brand.objects.filter(tenant_id=self.caller.tenant_id).first()
        return answer(_show_brand(row) if row else {"variables": {}, "updated_at": None})

    @docs.put_brand
    def put(self, request: HttpRequest) -> HttpResponse:
        """Write it."""
        read_parameters(request)
        given: BrandGiven = validate(BrandGiven, read_json(request))
        return answer(_show_brand(branding.put_brand(self.caller.tenant_id, given.variables)))


def _show(row: TemplatePartial) -> dict[str, Any]:
    return {"name": row.name, "body": row.body, "updated_at": rfc3339.show(row.updated_at)}


def _show_brand(row: Brand) -> dict[str, Any]:
    return {"variables": row.variables, "updated_at": rfc3339.show(row.updated_at)}
