"""Tenants, and the accounts of people."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import register
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from notifications.catalog.seeds import seed
from portal.access import BUILDERS, EVERYBODY, OPERATORS, OWNERS, access_of
from portal.admin.brand import BrandPages
from portal.admin.columns import FILTER_CHOICES, moment
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.forms.policies import PolicyForm
from portal.forms.tenant import ModelForm
from tenants.decisions import decisions
from tenants.models import Tenant, User


@register(Tenant, site=site)
class TenantAdmin(BrandPages):
    """Operators make, name and suspend tenants. None is deleted: what it is owed stays owed.

    An owner does not name his: whether a name is taken would tell of other tenants.
    """

    tenant_path = "pk"
    who = {
        "view": EVERYBODY, "change": OWNERS, "add": OPERATORS, "decide": BUILDERS,
        "brand": BUILDERS,
    }  # fmt: skip
    columns = ("name", "mode", "status", "is_system", moment("created_at", "since"))
    filters = ("mode", "status")
    search_fields = ("name",)
    ordering = ("name",)
    readonly_fields = ("is_system", "created_at")
    change_form_before_template = "portal/tenant_actions.html"
    fields = ("name", "mode", "status", "locale", "timezone", "is_system", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> list[Any]:
        """Name, mode and status are the operators' business."""
        fields = super().get_readonly_fields(request, obj)
        return fields if access_of(request).operator else [*fields, "name", "mode", "status"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A new tenant has the system templates from the start."""
        super().save_model(request, obj, form, change)
        if not change:
            seed(obj.pk)

    # --- Policies ------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and those of the policies."""
        pages = [
            self.page("policies/", self.choose, "choose"),
            self.page("<path:object_id>/policies/", self.policies, "policies"),
        ]
        return [*pages, *super().get_urls()]

    def choose(self, request: HttpRequest) -> HttpResponse:
        """Whose policies."""
        tenants = access_of(request).tenants()[:FILTER_CHOICES]
        shown = self.context(
            request, "Policies", tenants=tenants, page="admin:tenants_tenant_policies"
        )
        return TemplateResponse(request, "portal/tenant_choose.html", shown)

    def policies(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What holds for each category; one at a time is changed."""
        tenant: Tenant = self.reach(request, object_id, "view")
        if request.method == "POST":
            self.ensure(request, "decide", tenant)
        category = request.POST.get("category")
        found = [
            PolicyForm(rules, request.POST if rules.category == category else None)
            for rules in decisions(tenant.pk)
        ]
        for form in found:
            if form.is_valid() and form.decide(tenant.pk):
                said = f"Policy for {category}: {', '.join(form.changed_data) or 'as it was'}."
                self.log_change(request, tenant, said)
                messages.success(request, said)
                return HttpResponseRedirect(request.path)
        can = self.may(request, "decide", tenant)
        shown = self.context(request, f"Policies of {tenant.name}", forms=found, can=can)
        return TemplateResponse(request, "portal/policies.html", shown)


class UserForm(ModelForm):
    """Passwords are set by their owners alone."""

    me: User

    class Meta:
        model = User
        fields = ("email", "name", "is_active", "is_operator")

    def clean(self) -> dict[str, Any] | None:
        """Nobody locks himself out."""
        cleaned = super().clean() or self.cleaned_data
        kept = cleaned.get("is_active") and cleaned.get("is_operator")
        if self.instance.pk == self.me.pk and not kept:
            raise ValidationError("Another operator has to take your rights away.")
        return cleaned


@register(User, site=site)
class UserAdmin(ScopedAdmin):
    """For operators: who has an account, and closing one."""

    tenant_path = None
    who = {"view": OPERATORS, "change": OPERATORS}
    form = UserForm
    columns = ("email", "name", "is_operator", "is_active", moment("last_login", "last login"))
    filters = ("is_operator", "is_active")
    search_fields = ("email", "name")
    ordering = ("email",)
    fields = ("email", "name", "is_active", "is_operator", "last_login", "created_at")
    readonly_fields = ("email", "last_login", "created_at")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        """The form, told who asks."""
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"me": request.user})
