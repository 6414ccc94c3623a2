"""A tenant's users: looked for, looked at, erased; what they want is on `user_pages`."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from hiram.lib import ids
from notifications.accept import Owner
from notifications.erasure import erase
from notifications.models import Subscriber
from notifications.states import State
from portal.access import BUILDERS, EVERYBODY, MANAGERS, access_of
from portal.admin.columns import column, moment
from portal.admin.feed import Feed, ModeFilter
from portal.admin.site import site
from portal.admin.user_pages import UserPages
from portal.forms.source import written
from portal.forms.users import EraseForm
from portal.queries.users import consents, latest, preferences, search
from portal.queries.wording import COLOURS

HALF = "The database was busy, and not all is erased: erase it once more."


class Users(Feed):
    """A page of them."""

    def read(self, request: HttpRequest, start: int, count: int) -> list[Any]:
        """In one query."""
        return list(self.queryset[start : start + count])


@register(Subscriber, site=site)
class UserAdmin(UserPages):
    """What a user is called and where it is reached is the tenant's backend's to say."""

    who = {
        "view": EVERYBODY, "preferences": BUILDERS, "consent": BUILDERS, "erase": MANAGERS,
    }  # fmt: skip
    columns = (
        "user_id", "reached_at", "mode", "locale", "timezone", moment("created_at", "since"),
    )  # fmt: skip
    filters = (ModeFilter,)
    search_fields = ("user_id",)
    search_help_text = "A whole id or address"
    sortable_by = ()
    ordering = ("-created_at", "-id")
    list_select_related = ("tenant",)

    @column("addresses")
    def reached_at(self, row: Subscriber) -> str:
        """Where."""
        return ", ".join(map(str, row.addresses.values())) or "—"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that does not count."""
        return Users

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the whole id or address."""
        return (search(queryset, search_term) if search_term.strip() else queryset), False

    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and that of erasing."""
        return [self.page("<path:object_id>/erase/", self.erase, "erase"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """All that is known of a user."""
        row = self.get_object(request, object_id)
        if row is None or not self.may(request, "view", row):
            raise Http404
        if request.method not in ("GET", "HEAD"):
            self.ensure(request, "change", row)
        found = latest(row)
        shown = self.context(
            request,
            "User",
            row=row,
            tenant="" if access_of(request).is_single else row.tenant.name,
            attributes=written(row.attributes) if row.attributes else "",
            wants=preferences(row),
            consents=consents(row),
            notifications=None
            if found is None
            else [(one, COLOURS[State(one.status)]) for one in found],
            can={verb: self.may(request, verb, row) for verb in self.who},
        )
        return TemplateResponse(request, "portal/user.html", shown)

    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the id once more, then erase."""
        row: Subscriber = self.reach(request, object_id, "erase")
        form = EraseForm(row.user_id, request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                done = erase(Owner(row.tenant_id, row.mode), row.user_id)
            except OperationalError:
                messages.error(request, HALF)
                return HttpResponseRedirect(self.link("changelist"))
            user: Any = request.user
            # By its number: the id is the user's.
            LogEntry.objects.log_actions(user.pk, [row], DELETION, "Erased.")
            named = ids.show("ers", done.pk) if done else "none: there was nothing any more"
            messages.success(request, f"The user is erased. The certificate is {named}.")
            return HttpResponseRedirect(self.link("changelist"))
        shown = self.context(request, "Erase this user?", row=row, form=form)
        return TemplateResponse(request, "portal/user_erase.html", shown)
