"""Tenants, and the accounts of people."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import register
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from portal.access import EVERYBODY, OPERATORS, OWNERS, access_of
from portal.admin.columns import moment
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.forms.tenant import ModelForm
from tenants.models import Tenant, User


@register(Tenant, site=site)
class TenantAdmin(ScopedAdmin):
    """Operators make, name and suspend tenants. None is deleted: what it is owed stays owed.

    An owner does not name his: whether a name is taken would tell of other tenants.
    """

    tenant_path = "pk"
    who = {"view": EVERYBODY, "change": OWNERS, "add": OPERATORS}
    columns = ("name", "mode", "status", "is_system", moment("created_at", "since"))
    filters = ("mode", "status")
    search_fields = ("name",)
    ordering = ("name",)
    readonly_fields = ("is_system", "created_at")
    fields = ("name", "mode", "status", "locale", "timezone", "is_system", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> list[Any]:
        """Name, mode and status are the operators' business."""
        fields = super().get_readonly_fields(request, obj)
        return fields if access_of(request).operator else [*fields, "name", "mode", "status"]


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
