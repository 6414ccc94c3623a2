"""Lists of what there may be millions of: pages without a count, and filters by few values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.paginator import InfinitePaginator

from notifications.models import Mode
from notifications.shelves import channel_choices
from portal.queries.feed import since
from portal.queries.patience import TooMuch, patience

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
        start = (self.page_num - 1) * self.list_per_page
        try:
            with patience():
                self.result_list = self.read(request, start, self.list_per_page)
        except TooMuch:
            messages.warning(request, TOO_MUCH)
            self.result_list = []
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = self.show_admin_actions = self.can_show_all = False
        self.multi_page = True

    def read(self, request: HttpRequest, start: int, count: int) -> list[Any]:
        """`count` rows from `start`, with what the columns show."""
        raise NotImplementedError
