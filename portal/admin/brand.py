"""The brand: a tenant's own variables in its templates, in effect with the next publish of each."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from hiram.lib.problems import Problem
from hiram.lib.seen import MEANWHILE, mark
from notifications.catalog import branding
from notifications.models import Brand
from portal.access import access_of
from portal.admin.columns import FILTER_CHOICES
from portal.admin.scoped import ScopedAdmin
from portal.forms.branding import BrandForm
from tenants.models import Tenant


class BrandPages(ScopedAdmin):
    """Pages below one tenant, which has one brand or none yet."""

    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and ours."""
        pages = [
            self.page("brand/", self.choose_brand, "choose_brand"),
            self.page("<path:object_id>/brand/", self.brand, "brand"),
        ]
        return [*pages, *super().get_urls()]

    def choose_brand(self, request: HttpRequest) -> HttpResponse:
        """Whose."""
        tenants = access_of(request).tenants()[:FILTER_CHOICES]
        shown = self.context(request, "Brand", tenants=tenants, page="admin:tenants_tenant_brand")
        return TemplateResponse(request, "portal/tenant_choose.html", shown)

    def brand(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What templates see as `brand`; written as a whole."""
        tenant: Tenant = self.reach(request, object_id, "view")
        if request.method == "POST":
            self.ensure(request, "brand", tenant)
        row = Brand.objects.filter(tenant_id=tenant.pk).first()
        own, seen = dict(row.variables) if row else {}, mark(row)
        form = BrandForm(own, request.POST if request.method == "POST" else None)
        if form.is_valid() and _kept(request, form, tenant, seen):
            self.log_change(request, tenant, "Changed the brand.")
            messages.success(
                request, "The brand is saved. What is published next is made with it."
            )
            return HttpResponseRedirect(request.path)
        shown = self.context(
            request, f"Brand of {tenant.name}", row=tenant, form=form, seen=seen,
            variables={"name": tenant.name, **own}, is_named="name" in own,
            can=self.may(request, "brand", tenant),
        )  # fmt: skip
        return TemplateResponse(request, "portal/brand.html", shown)


def _kept(request: HttpRequest, form: BrandForm, tenant: Tenant, seen: str) -> bool:
    if request.POST.get("seen") != seen:
        form.add_error(None, MEANWHILE)
        return False
    try:
        branding.put_brand(tenant.pk, form.cleaned_data["variables"], seen=seen)
    except Problem as problem:
        form.add_error(None, problem.detail)
        return False
    return True
