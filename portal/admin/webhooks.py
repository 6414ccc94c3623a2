"""Webhooks: set up, tested, told again; their secrets are shown once, their headers never."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import register
from django.forms import Form, ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.text import Truncator

from hiram.lib import ids
from hiram.lib.pagination import Query, paginate
from hiram.lib.problems import Problem
from notifications import webhooks
from notifications.accept import Owner
from notifications.api.webhook_shapes import STATUSES
from notifications.models import WebhookEndpoint
from portal.access import BUILDERS, EVERYBODY, access_of
from portal.admin.columns import column, moment
from portal.admin.feed import ModeFilter
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.admin.webhook_verbs import VERBS, Verb
from portal.forms.webhooks import COLUMNS, WebhookForm
from portal.queries.wording import DELIVERY_COLOURS, DISABLED

STATES = {"working": "success", "failing": "warning", "disabled": "danger"}
DELIVERIES = 25


@register(WebhookEndpoint, site=site)
class WebhookAdmin(ScopedAdmin):
    """A secret exists in one response and nowhere else: no session, no message, no log."""

    who = {
        "view": EVERYBODY, "add": BUILDERS, "change": BUILDERS, "delete": BUILDERS,
        "rotate": BUILDERS, **{verb.name: BUILDERS for verb in VERBS},
    }  # fmt: skip
    form = WebhookForm
    columns = ("place", "mode", "state", "about", moment("created_at", "made"))
    filters = (ModeFilter,)
    search_fields = ("url", "description")
    ordering = ("-created_at",)
    list_select_related = ("tenant",)
    change_form_before_template = "portal/webhook_state.html"
    readonly_fields = ("shown_events", "shown_headers", "public_key", "state", "about")

    @column("address", header=True)
    def place(self, row: WebhookEndpoint) -> list[str]:
        """The URL and what somebody said of it."""
        return [Truncator(row.url).chars(80), row.description]

    @column("state", label=STATES)
    def state(self, row: WebhookEndpoint) -> str:
        """Whether it takes what it is told."""
        if row.disabled_at:
            return "disabled"
        return "failing" if row.first_failed_at else "working"

    @column("since")
    def about(self, row: WebhookEndpoint) -> str:
        """Since when it is as it is, and why it is told nothing."""
        at = row.disabled_at or row.first_failed_at
        since = f"{at:%Y-%m-%d %H:%M} UTC" if at else "—"
        return f"{since}: {DISABLED.get(row.disabled_reason, row.disabled_reason)}" if (
            row.disabled_reason
        ) else since  # fmt: skip

    @column("events")
    def shown_events(self, row: WebhookEndpoint) -> str:
        """What it is told."""
        return ", ".join(row.events) or "all"

    @column("headers")
    def shown_headers(self, row: WebhookEndpoint) -> str:
        """By their names only."""
        return ", ".join(webhooks.names_of_headers(row)) or "—"

    @column("public key")
    def public_key(self, row: WebhookEndpoint) -> str:
        """What verifies its ed25519 signatures."""
        return str(webhooks.show(row)["public_key"] or "—")

    # --- The form ------------------------------------------------------------------------------
    def get_fieldsets(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> Any:
        """What is asked for; for those who only look, what is known."""
        common = [] if access_of(request).is_single else ["tenant"]
        if obj is None:
            return [(None, {"fields": [*common, "mode", *COLUMNS, "headers"]})]
        if self.may(request, "change", obj):
            kept = ["no_headers"] if webhooks.names_of_headers(obj) else []
            key = ["public_key"] if obj.asymmetric else []
            return [(None, {"fields": [*common, "mode", *COLUMNS, *key, "headers", *kept]})]
        shown = [*COLUMNS, "shown_headers", "public_key", "state", "about"]
        shown[shown.index("events")] = "shown_events"
        return [(None, {"fields": [*common, "mode", *shown]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The mode is that of what it is told: it never changes."""
        fields = super().get_readonly_fields(request, obj)
        return [*fields, "mode"] if obj else fields

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, with what can be done besides."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        shown = {
            **(extra_context or {}),
            "title": Truncator(row.url).chars(80),
            "state": self.state(row),
            "about": self.about(row),
            "can": self.may(request, "change", row),
        }
        return super().change_view(request, object_id, form_url, shown)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """As everywhere; what stands against it is said."""
        try:
            found: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except Problem as problem:
            messages.error(request, problem.detail)
            return HttpResponseRedirect(self.link("changelist"))
        return found

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: ModelForm[Any], change: bool
    ) -> None:
        """Make or change it the one way there is."""
        self.ensure(request, "change" if change else "add", obj)
        given = form.cleaned_data
        columns = {name: given[name] for name in COLUMNS}
        if change:
            stored = WebhookEndpoint.objects.get(pk=obj.pk)
            webhooks.change(stored, columns, given["headers"], enabled=None)
            return
        owner = Owner(obj.tenant_id, given["mode"])
        made, secret = webhooks.add(owner, columns, given["headers"] or {})
        obj.pk = made.pk
        setattr(obj, _SECRET, secret)

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that shows the secret."""
        return self._shown_once(request, obj, getattr(obj, _SECRET))

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        """Remove it the one way there is."""
        self.ensure(request, "delete", obj)
        webhooks.remove(obj)

    # --- Pages of our own ------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and those of what can be done."""
        pages = [
            self.page(f"<path:object_id>/{v.name}/", partial(self.do, verb=v), v.name)
            for v in VERBS
        ]
        rotate = self.page("<path:object_id>/rotate/", self.rotate, "rotate")
        told = self.page("<path:object_id>/deliveries/", self.deliveries, "deliveries")
        return [*pages, rotate, told, *super().get_urls()]

    def do(self, request: HttpRequest, object_id: str, verb: Verb) -> HttpResponse:
        """Ask, then do it, and say what came of it."""
        row: WebhookEndpoint = self.reach(request, object_id, verb.name)
        posted = request.POST if request.method == "POST" else None
        form = (verb.form or Form)(posted)
        if form.is_valid():
            try:
                done = verb.act(row, form.cleaned_data)
            except Problem as problem:
                messages.error(request, problem.detail)
                return HttpResponseRedirect(self.link("change", row.pk))
            self.log_change(request, row, f"{verb.label}.")
            messages.success(request, verb.did.format(done))
            return HttpResponseRedirect(self.link(verb.ends_at, row.pk))
        return self._ask(request, row, verb.label, verb.means, form)

    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then make a new secret and show it once; a page sent twice makes one."""
        row: WebhookEndpoint = self.reach(request, object_id, "rotate")
        if request.method == "POST" and request.POST.get("at") != row.updated_at.isoformat():
            messages.warning(request, "It was changed meanwhile. Nothing was rotated.")
            return HttpResponseRedirect(self.link("change", row.pk))
        if request.method == "POST":
            try:
                secret = webhooks.rotate(row)
            except Problem as problem:
                messages.error(request, problem.detail)
                return HttpResponseRedirect(self.link("change", row.pk))
            self.log_change(request, row, "Secret rotated.")
            return self._shown_once(request, row, secret)
        means = "A new secret is shown once. For 24 hours posts are signed with the old one too."
        return self._ask(request, row, "Rotate the secret", means, Form())

    def deliveries(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What it was told, newest first, with every attempt."""
        row: WebhookEndpoint = self.reach(request, object_id, "view")
        status = request.GET.get("status", "")
        filters = {"status": status} if status in STATUSES else {}
        query = Query(filters, DELIVERIES, request.GET.get("cursor"))
        try:
            rows = webhooks.deliveries(row).filter(**filters)
            page = paginate(rows, query, scope=(str(row.pk), "portal"))
        except Problem as problem:
            raise Http404 from problem
        older = urlencode({**filters, "cursor": page.next_cursor}) if page.next_cursor else ""
        found = webhooks.show_deliveries(page.rows)
        shown = self.context(
            request,
            "Deliveries",
            row=row,
            deliveries=[
                one | {"colour": DELIVERY_COLOURS[one["status"]]} for one in found.values()
            ],
            statuses=STATUSES,
            status=status,
            older=older,
        )
        return TemplateResponse(request, "portal/webhook_deliveries.html", shown)

    def _ask(
        self, request: HttpRequest, row: WebhookEndpoint, label: str, means: str, form: Form
    ) -> HttpResponse:
        shown = self.context(request, f"{label}?", row=row, label=label, means=means, form=form)
        return TemplateResponse(request, "portal/webhook_ask.html", shown)

    def _shown_once(self, request: HttpRequest, row: WebhookEndpoint, text: str) -> HttpResponse:
        shown = self.context(
            request,
            "The webhook's new secret",
            row=row,
            shown_id=ids.show("whk", row.pk),
            text=text,
            back=self.link("change", row.pk),
        )
        return TemplateResponse(request, "portal/webhook_secret.html", shown)


_SECRET = "_secret_shown_once"  # noqa: S105
