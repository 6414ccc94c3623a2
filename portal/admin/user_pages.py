"""What is done with a user besides looking: what it wants is changed, a consent written down."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from hiram.lib.problems import FieldError, Problem
from hiram.lib.seen import MEANWHILE, mark
from notifications.accept import Owner
from notifications.consent import record
from notifications.models import Preference, Subscriber
from notifications.preferences import change, required_categories, wishes
from portal.admin.scoped import ScopedAdmin
from portal.forms.consents import ConsentForm
from portal.forms.preferences import PreferencesForm
from portal.forms.templates import show
from portal.queries.users import slugs

ENDED = "What was owed and is not wanted any more has ended."


class UserPages(ScopedAdmin):
    """Pages below one user. The verbs are the API's, and what they end, they end."""

    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and ours."""
        pages = {"preferences": self.preferences, "consent": self.consent}
        own = [self.page(f"<path:object_id>/{name}/", view, name) for name, view in pages.items()]
        return [*own, *super().get_urls()]

    def preferences(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the user wants, each answer to be changed."""
        row: Subscriber = self.reach(request, object_id, "preferences")
        owner = Owner(row.tenant_id, row.mode)
        said, required = wishes(owner, row.user_id), required_categories(row.tenant_id)
        form = PreferencesForm(said, required, request.POST if request.method == "POST" else None)

        def act(seen: str) -> None:
            change(owner, row.user_id, form.given, seen=seen)

        if form.is_valid():
            if not form.given:
                messages.info(request, "Nothing was changed.")
                return self._back(row)
            if _done(request, form, said, act):
                self.log_change(request, row, "Changed the preferences.")
                messages.success(request, f"The preferences are saved. {ENDED}")
                return self._back(row)
        shown = self.context(
            request, "Preferences", row=row, form=form, seen=mark(said),
            windows=said.send_windows, slugs=slugs(row.tenant_id),
        )  # fmt: skip
        return TemplateResponse(request, "portal/user_preferences.html", shown)

    def consent(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Write a receipt, which nobody changes."""
        row: Subscriber = self.reach(request, object_id, "consent")
        owner = Owner(row.tenant_id, row.mode)
        said = wishes(owner, row.user_id)
        form = ConsentForm(request.POST if request.method == "POST" else None)

        def act(seen: str) -> None:
            if form.receipt is not None:
                record(owner, row.user_id, form.receipt, seen=seen)

        if form.is_valid() and _done(request, form, said, act):
            self.log_change(request, row, "Recorded a consent receipt.")
            messages.success(request, f"The receipt is recorded. {ENDED}")
            return self._back(row)
        shown = self.context(request, "Record a consent", row=row, form=form, seen=mark(said))
        return TemplateResponse(request, "portal/user_consent.html", shown)

    def _back(self, row: Subscriber) -> HttpResponse:
        return HttpResponseRedirect(self.link("change", row.pk))


def _done(request: HttpRequest, form: Form, said: Preference, act: Callable[[str], None]) -> bool:
    """Do it, unless the user has said something else since the page was shown; whether it is done.

    Raises:
        Http404: the user went in this moment.
    """
    if request.POST.get("seen") != mark(said):
        form.add_error(None, MEANWHILE)
        return False
    try:
        act(mark(said))
    except Problem as problem:
        if problem.code == "not-found":
            raise Http404 from problem
        show(form, problem.errors or [FieldError("", problem.code, problem.detail)])
        return False
    return True
