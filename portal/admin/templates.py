"""Templates: developers write drafts, admins publish them; the verbs are the catalog's."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from hiram.lib import ids
from hiram.lib.problems import Problem
from notifications.catalog import templates, versions
from notifications.catalog.record import listed
from notifications.models import Template, TemplateVersion
from notifications.rendering import Unavailable
from portal.access import BUILDERS, EVERYBODY, MANAGERS, access_of
from portal.admin.columns import column, moment
from portal.admin.feed import CategoryFilter, ChannelFilter, OneOf
from portal.admin.site import site
from portal.admin.template_pages import TemplatePages
from portal.forms.source import LABELS, written
from portal.forms.templates import BUSY, PARTS, TemplateForm
from portal.queries.templates import VERSIONS, versions_of, with_locales

COLOURS = {"draft": "warning", "published": "success", "archived": "info"}


class EnabledFilter(OneOf):
    """By whether it takes sends."""

    title, parameter_name, options = "enabled", "enabled", (("1", "yes"), ("0", "no"))


@register(Template, site=site)
class TemplateAdmin(TemplatePages):
    """What is sent is an admin's to say: to publish, to roll back, to switch off."""

    who = {
        "view": EVERYBODY, "add": BUILDERS, "edit": BUILDERS,
        "publish": MANAGERS, "rollback": MANAGERS, "disable": MANAGERS, "enable": MANAGERS,
    }  # fmt: skip
    form = TemplateForm
    columns = (
        "named", "channel", "category", "state", "said_in", "on", moment("updated_at", "changed"),
    )  # fmt: skip
    filters = (ChannelFilter, CategoryFilter, EnabledFilter)
    search_fields = ("slug", "name")
    search_help_text = "Slug or name"
    sortable_by = ()
    ordering = ("slug", "channel", "id")
    list_select_related = ("tenant",)

    @column("template", header=True)
    def named(self, row: Template) -> list[str]:
        """Its slug and its name."""
        return [row.slug, row.name]

    @column("state", label={"draft": "warning", "published": "success"})
    def state(self, row: Any) -> str:
        """Whether anything can be sent by it."""
        return "draft" if row.published_version is None else "published"

    @column("locales")
    def said_in(self, row: Any) -> str:
        """Of what is sent, or would be."""
        return ", ".join(row.tags or ())

    @column("enabled", label={"yes": "success", "no": "danger"})
    def on(self, row: Template) -> str:
        """Whether it takes sends."""
        return "yes" if row.enabled else "no"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The list's rows bring what it shows."""
        rows = super().get_queryset(request)
        found = request.resolver_match
        is_list = found is not None and found.url_name == self.address("changelist")
        return with_locales(rows) if is_list else rows

    # --- Adding ----------------------------------------------------------------------------------
    def get_fieldsets(self, request: HttpRequest, obj: Template | None = None) -> Any:
        """What is asked for."""
        common = [] if access_of(request).is_single else ["tenant"]
        about = [*common, "slug", "channel", "name", "category"]
        text = ["default_locale", "subject", "html", "text", "variables"]
        return [(None, {"fields": about}), ("The first draft", {"fields": text})]

    def save_model(
        self, request: HttpRequest, obj: Template, form: ModelForm[Any], change: bool
    ) -> None:
        """Make it the one way there is."""
        self.ensure(request, "add", obj)
        given = {name: form.cleaned_data[name] for name in ("slug", "channel", "name", "category")}
        made, _ = templates.create(obj.tenant_id, given, getattr(form, "written"))  # noqa: B009
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

    def response_add(
        self, request: HttpRequest, obj: Template, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to what it says."""
        messages.success(request, f"{obj.slug} is made. Its first version is a draft.")
        return self.to(obj, "change")

    # --- One template ----------------------------------------------------------------------------
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What it is, its versions, and what one of them says in one locale."""
        row = self.get_object(request, object_id)
        if row is None or not self.may(request, "view", row):
            raise Http404
        if request.method not in ("GET", "HEAD"):
            self.ensure(request, "change", row)
        version = self.asked(request, row) or versions.published(row) or versions.latest(row)
        locale = request.GET.get("locale", "")
        if locale not in version.locales:
            locale = version.default_locale
        shown = self.context(
            request,
            row.name,
            row=row,
            shown_id=ids.show("tpl", row.pk),
            tenant="" if access_of(request).is_single else row.tenant.name,
            numbers=listed(Template.objects.filter(pk=row.pk)).get(),
            version=version,
            variables=written(dict(version.variables)),
            colour=COLOURS[version.state],
            locale=locale,
            parts=_parts(row, version, locale),
            can={verb: self.may(request, verb, row) for verb in self.who},
            **self._history(request, row),
        )
        return TemplateResponse(request, "portal/template.html", shown)

    def _history(self, request: HttpRequest, row: Template) -> dict[str, Any]:
        before = self.asked(request, row, "before")
        found = versions_of(row, before.number if before else None)
        rows = [(one, COLOURS[one.state]) for one in found[:VERSIONS]]
        older = rows[-1][0].number if len(found) > VERSIONS else None
        return {"versions": rows, "older": older}


def _parts(row: Template, version: TemplateVersion, locale: str) -> list[tuple[str, str]]:
    own = version.locales.get(locale, {})
    return [
        (LABELS[part].partition(",")[0], own[part]) for part in PARTS[row.channel] if part in own
    ]
