"""Partials: pieces that a tenant's templates share, in effect with the next publish of each."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from hiram.lib.problems import Problem
from hiram.lib.seen import MEANWHILE, mark
from notifications.catalog import branding
from notifications.models import TemplatePartial
from notifications.rendering import Unavailable
from portal.access import BUILDERS, EVERYBODY, access_of
from portal.admin.columns import column, moment
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.forms.branding import BodyForm, PartialForm
from portal.forms.templates import BUSY


@register(TemplatePartial, site=site)
class PartialAdmin(ScopedAdmin):
    """What is sent has those that it was published with: to write one is as to write a draft."""

    who = {"view": EVERYBODY, "add": BUILDERS, "edit": BUILDERS, "delete": BUILDERS}
    form = PartialForm
    columns = ("name", "where", moment("updated_at", "changed"))
    search_fields = ("name",)
    search_help_text = "Name"
    sortable_by = ()
    ordering = ("name", "id")
    list_select_related = ("tenant",)
    fields = ("tenant", "name", "body")
    delete_confirmation_template = "portal/partial_delete.html"

    @column("stands")
    def where(self, row: TemplatePartial) -> str:
        """In what."""
        return "around the HTML of all e-mails" if row.name == "layout" else "where it is named"

    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and that of writing."""
        return [self.page("<path:object_id>/edit/", self.edit, "edit"), *super().get_urls()]

    def save_model(
        self, request: HttpRequest, obj: TemplatePartial, form: ModelForm[Any], change: bool
    ) -> None:
        """Make it the one way there is."""
        self.ensure(request, "add", obj)
        made, _ = branding.put_partial(obj.tenant_id, obj.name, obj.body, seen="")
        obj.pk = made.pk

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """As everywhere; what stands against it is said."""
        try:
            found: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except Problem as problem:
            messages.error(request, problem.detail)
        except Unavailable:
            messages.error(request, BUSY)
        else:
            return found
        return HttpResponseRedirect(self.link("changelist"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What it says."""
        row = self.get_object(request, object_id)
        if row is None or not self.may(request, "view", row):
            raise Http404
        if request.method not in ("GET", "HEAD"):
            self.ensure(request, "change", row)
        shown = self.context(
            request, f"Partial {row.name}", row=row,
            tenant="" if access_of(request).is_single else row.tenant.name,
            can={verb: self.may(request, verb, row) for verb in self.who},
        )  # fmt: skip
        return TemplateResponse(request, "portal/partial.html", shown)

    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let it say something else."""
        row: TemplatePartial = self.reach(request, object_id, "edit")
        seen = mark(row)
        form = BodyForm(row, request.POST if request.method == "POST" else None)
        if form.is_valid():
            if request.POST.get("seen") != seen:
                form.add_error(None, MEANWHILE)
            elif self._kept(form, row, seen):
                self.log_change(request, row, "Wrote it.")
                messages.success(
                    request, f"{row.name} is saved. What is published next is made with it."
                )
                return HttpResponseRedirect(self.link("change", row.pk))
        shown = self.context(request, f"Partial {row.name}", row=row, form=form, seen=seen)
        return TemplateResponse(request, "portal/partial_edit.html", shown)

    def _kept(self, form: BodyForm, row: TemplatePartial, seen: str) -> bool:
        try:
            branding.put_partial(row.tenant_id, row.name, form.cleaned_data["body"], seen=seen)
        except Problem as problem:
            form.add_error(None, problem.detail)
        except Unavailable:
            form.add_error(None, BUSY)
        return not form.errors
