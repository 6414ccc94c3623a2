"""Suppressions: whom a tenant does not write to, asked for by address, and allowed again."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html

from hiram.lib import ids
from notifications.accept import Owner
from notifications.models import Suppression
from notifications.suppression import suppress
from notifications.withhold import withhold_from_addresses
from portal.access import BUILDERS, EVERYBODY, access_of
from portal.admin.columns import column, moment, tenant_asked_for
from portal.admin.feed import ChannelFilter, Feed, ModeFilter, OneOf
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.forms.suppressions import SuppressionForm
from portal.queries.suppressions import cause, search
from portal.queries.wording import SUPPRESSED, reason_in_words

TENANTS = 1_000
"""In the lists of how many an address is looked for at once."""


class ReasonFilter(OneOf):
    """By why it is in the list."""

    title, parameter_name = "reason", "reason"
    options = tuple(SUPPRESSED.items())


class Suppressions(Feed):
    """A page of them."""

    def read(self, request: HttpRequest, start: int, count: int) -> list[Any]:
        """In one query."""
        return list(self.queryset[start : start + count])


@register(Suppression, site=site)
class SuppressionAdmin(ScopedAdmin):
    """Whoever is erased is in the list without the address, and is found by it all the same."""

    who = {"view": EVERYBODY, "add": BUILDERS, "allow": BUILDERS}
    form = SuppressionForm
    columns = ("to", "channel", "mode", "why", "only", moment("created_at", "since"))
    filters = (ReasonFilter, ChannelFilter, ModeFilter)
    search_fields = ("address",)
    search_help_text = "A whole address, however spelt"
    sortable_by = ()
    ordering = ("-created_at", "-id")
    list_select_related = ("tenant",)
    change_form_before_template = "portal/suppression_actions.html"
    fields = (
        "tenant", "to", "channel", "mode", "why", "meaning", "only", "source", "because",
        "created_at", "expires_at", "shown_id",
    )  # fmt: skip
    readonly_fields = (
        "to", "why", "meaning", "only", "source", "because", "created_at", "expires_at",
        "shown_id",
    )  # fmt: skip

    @column("reason")
    def why(self, row: Suppression) -> str:
        """How it came into the list."""
        return SUPPRESSED.get(row.reason, row.reason)

    @column("meaning")
    def meaning(self, row: Suppression) -> str:
        """The same in a sentence."""
        return reason_in_words(f"suppression:{row.reason}")

    @column("address")
    def to(self, row: Suppression) -> str:
        """Which it is, while its owner is not erased."""
        return row.recipient or "—"

    @column("only for")
    def only(self, row: Suppression) -> str:
        """The category, where it is not for everything."""
        return row.category or "—"

    @column("because of")
    def because(self, row: Suppression) -> str:
        """The notification that came back or was complained of."""
        found = cause(row)
        if found is None:
            return "—"
        url = reverse("admin:notifications_notification_change", args=[found.pk])
        return format_html('<a href="{}">{}</a>', url, ids.show("ntf", found.pk))

    @column("id")
    def shown_id(self, row: Suppression) -> str:
        """As the API names it."""
        return ids.show("sup", row.pk)

    # --- The list --------------------------------------------------------------------------------
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that does not count."""
        return Suppressions

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the whole address, in the lists of the user's tenants, or of the one chosen."""
        if not search_term.strip():
            return queryset, False
        tenants = access_of(request).tenants()
        if chosen := tenant_asked_for(request):
            tenants = tenants.filter(pk=chosen)
        found = list(tenants.values_list("pk", flat=True)[: TENANTS + 1])
        if len(found) > TENANTS:
            messages.warning(request, "There are too many tenants to ask: choose one.")
            return queryset.none(), False
        return search(queryset, found, search_term), False

    # --- Adding ----------------------------------------------------------------------------------
    def get_fieldsets(self, request: HttpRequest, obj: Suppression | None = None) -> Any:
        """What is asked for, and what is known of one in the list."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        common = [] if access_of(request).is_single else ["tenant"]
        return [(None, {"fields": [*common, "mode", "channel", "recipient"]})]

    def save_model(
        self, request: HttpRequest, obj: Suppression, form: ModelForm[Any], change: bool
    ) -> None:
        """Add it the one way there is."""
        self.ensure(request, "change" if change else "add", obj)
        given = form.cleaned_data
        row, _ = suppress(
            obj.tenant_id, given["mode"], given["channel"], given["recipient"],
            Suppression.Reason.MANUAL, "portal",
        )  # fmt: skip
        obj.pk, obj.reason = row.pk, row.reason
        owner = Owner(row.tenant_id, row.mode)
        transaction.on_commit(
            lambda: withhold_from_addresses(owner, row.channel, [given["recipient"]])
        )

    # --- Allowing again --------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and that of allowing again."""
        return [self.page("<path:object_id>/allow/", self.allow, "allow"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What is known of it, with its end for those who may."""
        row = self.get_object(request, object_id)
        can = row is not None and self.may(request, "allow", row)
        shown = {**(extra_context or {}), "can_allow": can, "title": "Suppression"}
        return super().change_view(request, object_id, form_url, shown)

    def allow(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then take it off the list."""
        row: Suppression = self.reach(request, object_id, "allow")
        if request.method == "POST":
            user: Any = request.user
            LogEntry.objects.log_actions(user.pk, [row], DELETION, "Allowed again.")
            Suppression.objects.filter(pk=row.pk).delete()
            messages.success(request, "The address may be written to again.")
            return HttpResponseRedirect(self.link("changelist"))
        shown = self.context(
            request, "Allow this address again?", row=row, why=self.why(row),
            shown_id=self.shown_id(row),
        )  # fmt: skip
        return TemplateResponse(request, "portal/suppression_allow.html", shown)
