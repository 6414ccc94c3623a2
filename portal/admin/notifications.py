"""Notifications: found, looked at, never changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter, register
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.paginator import InfinitePaginator

from hiram.lib import ids
from notifications.models import CLASSES, Mode, Notification
from notifications.record import show, with_status
from notifications.shelves import channel_choices
from notifications.states import State
from portal.access import access_of
from portal.admin.columns import TenantFilter, column, moment
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.queries.feed import notification_id, page, search, since
from portal.queries.patience import TooMuch, patience
from portal.queries.timeline import content_of, timeline
from portal.queries.wording import COLOURS, reason_in_words

DEEPEST_PAGE = 200
CATEGORIES = ("transactional", "operational", "marketing")
PERIODS = {"1": "Last hour", "24": "Last 24 hours", "168": "Last 7 days", "720": "Last 30 days"}
TOO_MUCH = "That looks through too many notifications. Narrow it by tenant, mode or time."


class OneOf(SimpleListFilter):
    """A filter by a column with few values."""

    options: Any = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The values."""
        return [
            option if isinstance(option, tuple) else (option, option) for option in self.options
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows with this value; a made-up one finds nothing."""
        value = self.value()
        if value is None:
            return queryset
        known = value in {str(option) for option, _ in self.lookup_choices}
        return self.narrow(queryset, value) if known else queryset.none()

    def narrow(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """The rows of a known value."""
        return rows.filter(**{str(self.parameter_name): value})


class StatusFilter(OneOf):
    """By the status shown, derived ones too."""

    title, parameter_name, options = "status", "status", tuple(State)

    def narrow(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """See `notifications.record.with_status`."""
        return with_status(rows, State(value))


class ModeFilter(OneOf):
    """By mode."""

    title, parameter_name, options = "mode", "mode", tuple(Mode.values)


class ChannelFilter(OneOf):
    """By channel."""

    title, parameter_name = "channel", "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The channels on the shelf."""
        return channel_choices()


class CategoryFilter(OneOf):
    """By category."""

    title, parameter_name, options = "category", "category", CATEGORIES


class PriorityFilter(OneOf):
    """By priority."""

    title, parameter_name, options = "priority", "priority", tuple(CLASSES)


class PeriodFilter(OneOf):
    """By the time since it was accepted."""

    title, parameter_name, options = "accepted", "hours", tuple(PERIODS.items())

    def narrow(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """The rows of the last hours."""
        return since(rows, timezone.now() - timedelta(hours=int(value)))


class Feed(ChangeList):
    """A page of the list: no count, no offset beyond what anybody turns to."""

    def get_results(self, request: HttpRequest) -> None:
        """Read one page within everybody's patience."""
        self.page_num = min(max(1, self.page_num), DEEPEST_PAGE)
        self.paginator = InfinitePaginator([], self.list_per_page)
        self.result_list = self._read(request)
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = self.show_admin_actions = self.can_show_all = False
        self.multi_page = True

    def _read(self, request: HttpRequest) -> list[Notification]:
        access = access_of(request)
        tenants = None if access.operator else list(access.roles)
        if TenantFilter.parameter_name in request.GET:
            chosen = notification_id(request.GET[TenantFilter.parameter_name])
            tenants = [t for t in ([chosen] if tenants is None else tenants) if t and t == chosen]
        mode = request.GET.get("mode", "")
        start, count = (self.page_num - 1) * self.list_per_page, self.list_per_page
        try:
            with patience():
                return page(self.queryset, tenants, mode, start=start, count=count)
        except TooMuch:
            messages.warning(request, TOO_MUCH)
            return []


@register(Notification, site=site)
class NotificationAdmin(ScopedAdmin):
    """Read-only by having no verb but `view`."""

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
        return row.channel if row.mode == Mode.LIVE else f"{row.channel} ({row.mode})"

    @column("provider")
    def provider(self, row: Notification) -> str:
        """Who took it, or was tried last."""
        return row.provider_name or row.driver or "—"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that does not count."""
        return Feed

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
        )
        return TemplateResponse(request, "portal/notification.html", page)
