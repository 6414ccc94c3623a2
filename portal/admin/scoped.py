"""The base of every admin class: rows, actions and choices within the user's own tenants.

A subclass says where the tenant is and which roles may do what; everything that shows or takes
a row goes through `get_queryset` and `may`. A verb that no role was given is nobody's, operators
included, and a model without a tenant is the operators' alone: what a new class forgets to say
is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, ManyToManyField, Model, QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from portal.access import EVERYBODY, access_of
from portal.admin.columns import TenantFilter
from portal.forms.tenant import TenantForm
from tenants.models import Role, Tenant

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin


class ScopedAdmin(ModelAdmin):
    """See the module. `tenant_path` leads from a row to its tenant's id, as an ORM lookup."""

    tenant_path: ClassVar[str | None] = "tenant_id"
    who: ClassVar[Mapping[str, frozenset[Role]]] = {"view": EVERYBODY}
    columns: ClassVar[Sequence[Any]] = ()
    filters: ClassVar[Sequence[Any]] = ()

    actions = None
    view_on_site = False
    list_per_page = 50
    list_max_show_all = 0
    compressed_fields = True
    save_as = False

    def may(self, request: HttpRequest, verb: str, row: Model | None = None) -> bool:
        """Whether the user may do this to this row, or to any."""
        allowed = self.who.get(verb)
        access = access_of(request)
        if allowed is None:
            return False
        if access.operator or self.tenant_path is None:
            return access.operator
        if row is None:
            return access.allows(allowed)
        return access.allows(allowed, self.tenant_of(row))

    def tenant_of(self, row: Model) -> UUID:
        """The row's tenant."""
        found: UUID = attrgetter((self.tenant_path or "").replace("__", "."))(row)
        return found

    def reach(self, request: HttpRequest, object_id: str, verb: str) -> Any:
        """The row of a page of our own.

        Raises:
            Http404: it does not exist for this user.
            PermissionDenied: the user sees it, but may not do this.
        """
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        self.ensure(request, verb, row)
        return row

    def ensure(self, request: HttpRequest, verb: str, row: Model) -> None:
        """Refuse what is not allowed with this row.

        Raises:
            PermissionDenied: the user may not do this.
        """
        if not self.may(request, verb, row):
            raise PermissionDenied

    # --- What Django's admin asks ------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows that exist for this user."""
        rows = super().get_queryset(request)
        access = access_of(request)
        if self.tenant_path is None:
            return rows if access.operator else rows.none()
        return access.within(rows, self.tenant_path, self.who.get("view", frozenset()))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the model is shown at all."""
        return self.may(request, "view")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See `may`."""
        return self.may(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """See `may`."""
        return self.may(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See `may`."""
        return self.may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See `may`."""
        return self.may(request, "delete", obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only declared filters: a list is not a way to probe hidden columns letter by letter."""
        if request is None:
            return False
        field, _, kind = lookup.partition("__")
        for declared in self.get_list_filter(request):
            if isinstance(declared, str):
                if field == declared and kind in ("", "exact", "isnull"):
                    return True
            elif lookup == declared.parameter_name:
                return True
        return False

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """The declared filters, after the tenant's where there are several."""
        scoped = self.tenant_path == "tenant_id" and not access_of(request).is_single
        return [*([TenantFilter] if scoped else []), *self.filters]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The declared columns, with the tenant's where there are several."""
        scoped = self.tenant_path == "tenant_id" and not access_of(request).is_single
        return [*self.columns, *(["tenant"] if scoped else [])]

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Choices among the rows that exist for this user; none of what has no admin."""
        kwargs["queryset"] = self._choices(db_field.related_model, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """See `formfield_for_foreignkey`."""
        kwargs["queryset"] = self._choices(db_field.related_model, request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without links beside a choice that add or change what is chosen."""
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        wrapped = getattr(getattr(field, "widget", None), "widget", None)
        if wrapped is not None and hasattr(field.widget, "can_add_related"):
            field.widget = wrapped
        return field

    def _choices(self, model: Any, request: HttpRequest) -> QuerySet[Any]:
        if model is Tenant:
            return access_of(request).tenants(self.who.get("add", frozenset()))
        other = self.admin_site._registry.get(model)
        return other.get_queryset(request) if other else model._default_manager.none()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Any]]:
        """The form, told in which tenants this user may make a row."""
        form: type[forms.ModelForm[Any]] = super().get_form(request, obj, change, **kwargs)
        if issubclass(form, TenantForm):
            allowed = access_of(request).tenants(self.who.get("add", frozenset()))
            return type(form.__name__, (form,), {"allowed_tenants": allowed, "user": request.user})
        return form

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The declared fields; the tenant is not asked for where there is only one."""
        fields = list(super().get_fields(request, obj))
        if access_of(request).is_single and "tenant" in fields:
            fields.remove("tenant")
        return fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The declared ones; a row never moves to another tenant."""
        fields = list(super().get_readonly_fields(request, obj))
        return [*fields, "tenant"] if obj and self.tenant_path == "tenant_id" else fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, after asking once more whether this user may do this in the row's tenant."""
        self.ensure(request, "change" if change else "add", obj)
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, after asking once more."""
        self.ensure(request, "delete", obj)
        super().delete_model(request, obj)

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        raise Http404

    # --- Pages of our own --------------------------------------------------------------------
    def page(self, route: str, view: Any, name: str) -> URLPattern:
        """An address below the model's; `view` gets the request and the route's values."""
        found: URLPattern = path(route, self.admin_site.admin_view(view), name=self.address(name))
        return found

    def address(self, name: str) -> str:
        """The name of one of the model's addresses."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def link(self, name: str, *args: Any) -> str:
        """One of the model's addresses."""
        return reverse(f"admin:{self.address(name)}", args=args)

    def context(self, request: HttpRequest, title: str, **values: Any) -> dict[str, Any]:
        """What a page of our own shows besides its content."""
        shown = {"title": title, "model_admin": self, "subtitle": None, **values}
        return {**self.admin_site.each_context(request), **shown}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """One way to save: the others end on pages that some rows do not have."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)
