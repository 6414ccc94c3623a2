"""Dead letters: what ended `failed`, and is kept until it is replayed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.admin import register
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from notifications.models import DeadLetter, Notification
from portal.access import BUILDERS, EVERYBODY
from portal.admin.columns import column, moment, way
from portal.admin.deciding import REPLAY, DecidingAdmin, Verb
from portal.admin.feed import CategoryFilter, ChannelFilter, Feed, ModeFilter, OneOf, PeriodFilter
from portal.admin.site import site
from portal.queries.letters import open_letters
from portal.queries.wording import DEAD, reason_in_words


class ReasonFilter(OneOf):
    """By why it failed."""

    title, parameter_name = "reason", "reason"
    options = tuple((code, code.replace("_", " ")) for code in DEAD)


class _OfNotification(OneOf):
    """A column of the notification."""

    def narrow(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """The letters whose notification has the value."""
        asked = {"pk": OuterRef("notification_id"), str(self.parameter_name): value}
        return rows.filter(Exists(Notification.objects.filter(**asked)))


class LetterChannelFilter(_OfNotification, ChannelFilter):
    """By channel."""


class LetterCategoryFilter(_OfNotification, CategoryFilter):
    """By category."""


class LetterModeFilter(_OfNotification, ModeFilter):
    """By mode."""


class LetterPeriodFilter(PeriodFilter):
    """By the time since it failed."""

    title = "failed"

    def narrow(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """The letters of the last hours."""
        return rows.filter(created_at__gte=timezone.now() - timedelta(hours=int(value)))


class Letters(Feed):
    """A page of dead letters, each with its notification."""

    def read(self, request: HttpRequest, start: int, count: int) -> list[Any]:
        """In two queries."""
        found = list(self.queryset[start : start + count])
        rows = Notification.objects.in_bulk([letter.notification_id for letter in found])
        admin: Any = self.model_admin
        for letter in found:
            letter.notification = rows.get(letter.notification_id)
            letter.is_mine = admin.may(request, REPLAY.name, letter)
        return found

    def url_for_result(self, result: Any) -> str:
        """The page that says everything."""
        return reverse("admin:notifications_notification_change", args=[result.notification_id])


@register(DeadLetter, site=site)
class DeadLetterAdmin(DecidingAdmin):
    """The open ones: the others are their notifications' past."""

    who = {"view": EVERYBODY, REPLAY.name: BUILDERS}
    many = (REPLAY,)
    subject = "notification_id"
    columns = ("recipient", "why", "way", "category", moment("created_at", "failed"))
    filters = (
        ReasonFilter, LetterChannelFilter, LetterCategoryFilter, LetterModeFilter,
        LetterPeriodFilter,
    )  # fmt: skip
    sortable_by = ()
    ordering = ("-created_at", "-id")
    list_select_related = ("tenant",)
    list_display_links = ("recipient",)
    list_before_template = "portal/letters.html"
    fields = ("tenant", "notification_id", "why", "detail", "created_at")
    readonly_fields = ("why",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of the user's tenants, the open ones."""
        return open_letters(super().get_queryset(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that does not count."""
        return Letters

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """With a box to choose it by for those who may replay."""
        boxes = ["box"] if self.may(request, REPLAY.name) else []
        return [*boxes, *super().get_list_display(request)]

    def decidable(self, request: HttpRequest, verb: Verb) -> QuerySet[Any]:
        """Of those that still have a body."""
        kept = Notification.objects.filter(pk=OuterRef("notification_id"), body_erased_at=None)
        return super().decidable(request, verb).filter(Exists(kept))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, with what can be done with what it shows."""
        shown = {"links": self.links(request), "choose": self.link(f"{REPLAY.name}_many")}
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    @column("chosen")
    def box(self, letter: Any) -> str:
        """A box of the form above the list, where the role in this tenant allows it."""
        box = '<input type="checkbox" form="choose" name="id" value="{}" aria-label="{}">'
        return format_html(box, letter.notification_id, "Choose") if letter.is_mine else ""

    @column("recipient")
    def recipient(self, letter: Any) -> str:
        """To whom it did not get."""
        return letter.notification.recipient if letter.notification else "—"

    @column("reason")
    def why(self, letter: DeadLetter) -> str:
        """Why it failed, in words."""
        return reason_in_words(letter.reason)

    @column("channel")
    def way(self, letter: Any) -> str:
        """The channel, and the mode where it is not the usual one."""
        return way(letter.notification) if letter.notification else "—"

    @column("category")
    def category(self, letter: Any) -> str:
        """The category."""
        return letter.notification.category if letter.notification else "—"
