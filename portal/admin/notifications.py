"""Notifications: found, looked at, decided about, never edited."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from hiram.lib import ids
from notifications.cancel import MAY_HAVE_LEFT
from notifications.models import CLASSES, Attempt, Notification
from notifications.record import show, with_status
from notifications.states import State
from portal.access import BUILDERS, EVERYBODY, access_of
from portal.admin.columns import TenantFilter, column, moment, way
from portal.admin.deciding import CANCEL, DROP, RELEASE, REPLAY, DecidingAdmin, Verb, note
from portal.admin.feed import (
    CategoryFilter,
    ChannelFilter,
    Feed,
    ModeFilter,
    OneOf,
    PeriodFilter,
)
from portal.admin.site import site
from portal.queries.feed import notification_id, page, search
from portal.queries.timeline import content_of, timeline
from portal.queries.wording import COLOURS, reason_in_words

VERBS = (REPLAY, RELEASE, DROP, CANCEL)


class StatusFilter(OneOf):
    """By the status shown, derived ones too."""

    title, parameter_name, options = "status", "status", tuple(State)

    def narrow(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """See `notifications.record.with_status`."""
        return with_status(rows, State(value))


class PriorityFilter(OneOf):
    """By priority."""

    title, parameter_name, options = "priority", "priority", tuple(CLASSES)


class Notifications(Feed):
    """A page of notifications."""

    def read(self, request: HttpRequest, start: int, count: int) -> list[Any]:
        """See `portal.queries.feed.page`."""
        access = access_of(request)
        tenants = None if access.operator else list(access.roles)
        if TenantFilter.parameter_name in request.GET:
            chosen = notification_id(request.GET[TenantFilter.parameter_name])
            tenants = [t for t in ([chosen] if tenants is None else tenants) if t and t == chosen]
        mode = request.GET.get("mode", "")
        return page(self.queryset, tenants, mode, start=start, count=count)


@register(Notification, site=site)
class NotificationAdmin(DecidingAdmin):
    """Never changed; what it is owed is decided about by `VERBS`, each through its page."""

    who = {"view": EVERYBODY, **{verb.name: BUILDERS for verb in VERBS}}
    many = (RELEASE, DROP)
    columns = (
        "title", "recipient", "status_shown", "way", "provider", moment("created_at", "accepted"),
    )  # fmt: skip
    filters = (
        StatusFilter, ChannelFilter, CategoryFilter, ModeFilter, PriorityFilter, PeriodFilter,
    )  # fmt: skip
    search_fields = ("subject",)
    search_help_text = "An id (ntf_…), a recipient, or words of the subject"
    sortable_by = ()
    ordering = ("-id",)
    list_per_page = 50
    list_before_template = "portal/decide_links.html"

    @column("subject", header=True)
    def title(self, row: Notification) -> list[str]:
        """The subject and the public id."""
        return [row.subject or "—", ids.show("ntf", row.pk)]

    @column("status", label={str(s): colour for s, colour in COLOURS.items()})
    def status_shown(self, row: Any) -> str:
        """The status as the API shows it."""
        return str(row.shown["status"])

    @column("channel")
    def way(self, row: Notification) -> str:
        """The channel, and the mode where it is not the usual one."""
        return way(row)

    @column("provider")
    def provider(self, row: Notification) -> str:
        """Who took it, or was tried last."""
        return row.provider_name or row.driver or "—"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that does not count."""
        return Notifications

    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and those of the verbs."""
        pages = [
            self.page(f"<path:object_id>/{v.name}/", partial(self.decide_one, verb=v), v.name)
            for v in VERBS
        ]
        return [*pages, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list; where it shows what is held, with what can be done with all of it."""
        held = request.GET.get("status") == State.HELD
        links = self.links(request) if held else []
        return super().changelist_view(request, {**(extra_context or {}), "links": links})

    def decidable(self, request: HttpRequest, verb: Verb) -> QuerySet[Any]:
        """Of those in a state for it."""
        return super().decidable(request, verb).filter(status__in=verb.states)

    def decide_one(self, request: HttpRequest, object_id: str, verb: Verb) -> HttpResponse:
        """Ask, then do it, and say what came of it."""
        row: Notification = self.reach(request, object_id, verb.name)
        back = self.link("change", row.pk)
        if request.method == "POST":
            if done := verb.act([row.pk]):
                note(request, done, verb)
                messages.success(request, verb.did)
            else:
                messages.warning(request, verb.refused)
            return HttpResponseRedirect(back)
        title = f"{verb.label} this notification?"
        shown = self.context(request, title, row=row, verb=verb, can=_fits(row, verb), back=back)
        return TemplateResponse(request, "portal/decide_one.html", shown)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """See `portal.queries.feed.search`."""
        return (search(queryset, search_term) if search_term.strip() else queryset), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Notification | None:
        """By its public id or its UUID."""
        found = notification_id(object_id)
        row: Notification | None = self.get_queryset(request).filter(pk=found).first()
        return row

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Content, labels and timeline of one notification."""
        row = self.get_object(request, object_id)
        if row is None or not self.may(request, "view", row):
            raise Http404
        if request.method not in ("GET", "HEAD"):
            self.ensure(request, "change", row)
        shown = show(row)
        # Hiram's own mails hold links that log people in.
        own = row.tenant.is_system
        page = self.context(
            request,
            shown["subject"] or shown["id"],
            row=row,
            shown=shown,
            colour=COLOURS[State(shown["status"])],
            reason=reason_in_words(shown["reason"]),
            tenant="" if access_of(request).is_single else row.tenant.name,
            own=own,
            content=None if own else content_of(row),
            steps=timeline(row, workers=access_of(request).operator),
            links=[
                (verb, self.link(verb.name, row.pk))
                for verb in VERBS
                if self.may(request, verb.name, row) and _fits(row, verb)
            ],
        )
        return TemplateResponse(request, "portal/notification.html", page)


def _fits(row: Notification, verb: Verb) -> bool:
    """Whether its state lets this be done to it, as far as can be seen now."""
    if row.status not in verb.states or (verb is REPLAY and row.body_erased_at):
        return False
    called = Attempt.objects.filter(subject_id=row.pk, outcome__in=MAY_HAVE_LEFT)
    return verb is not CANCEL or not called.exists()
