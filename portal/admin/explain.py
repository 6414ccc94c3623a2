"""The explain form: what would become of a send just now, in words; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods

from delivery.api.explain import planned
from delivery.explain import explain
from hiram.lib.problems import Problem
from notifications.accept import Owner
from notifications.rendering import Unavailable
from portal.access import access_of
from portal.forms.explain import ExplainForm
from portal.forms.webhooks import own_mode
from portal.queries.wording import reason_in_words, route_in_words

BUSY = "The renderers are busy: try again."


def urls(site: AdminSite) -> list[URLPattern]:
    """The form's address on this site."""
    return [path("explain/", site.admin_view(_view(site)), name="explain")]


def _view(site: AdminSite) -> Callable[..., HttpResponse]:
    @require_http_methods(["GET", "HEAD", "POST"])
    def view(request: HttpRequest) -> HttpResponse:
        form = ExplainForm(access_of(request), request.POST if request.method == "POST" else None)
        found = _answer(form) if form.is_valid() else None
        shown = {**site.each_context(request), "title": "Explain", "form": form, "found": found}
        return TemplateResponse(request, "portal/explain.html", shown)

    return view


def _answer(form: ExplainForm) -> dict[str, Any] | None:
    """What would happen; None where it would be refused, which stands at the fields."""
    tenant = form.whose
    owner = Owner(tenant.pk, own_mode(tenant, form.cleaned_data["mode"]))
    try:
        plan = planned(owner, form.request)
        [found] = explain(owner, plan.good, plan.bad)
    except Problem as problem:
        form.show([e.as_dict() for e in problem.errors])
        if not problem.errors:
            form.add_error(None, problem.detail)
        return None
    except Unavailable:
        form.add_error(None, BUSY)
        return None
    if found["outcome"] == "rejected":
        form.show(found["errors"])
        return None
    return found | {
        "colour": "warning" if found["outcome"] == "suppressed" or found["waits"] else "success",
        "headline": _headline(found),
        "why": reason_in_words(found["reason"]) if found["reason"] else "",
        "by": route_in_words(found["route"]) if found["route"] else "",
        "waiting": reason_in_words(found["waits"]) if found["waits"] else "",
    }


def _headline(found: dict[str, Any]) -> str:
    if found["outcome"] == "suppressed":
        return "Nothing would be sent"
    if found["waits"]:
        return "It would be accepted, and wait"
    when = f"at {found['at']}" if found["at"] else "at once"
    put_off = ", put off by the user's quiet hours or send windows" if found["put_off"] else ""
    return f"It would be accepted, and sent {when}{put_off}"
