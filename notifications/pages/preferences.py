"""`/preferences/{token}`: what one user gets, to be chosen without a log-in.

The address is the key: it belongs to this user, and ends with the user.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from hiram.lib.problems import Problem
from notifications.accept import Owner
from notifications.links import PREFERENCES, named
from notifications.models import Preference, Subscriber
from notifications.pages.page import gone, page, spoken
from notifications.pages.words import Words
from notifications.preferences import required_categories, wants, wishes
from notifications.shelves import channels
from notifications.unsubscribe import choose
from tenants.policy import DEFAULTS


# The address is as secret as a CSRF token would be, and there is no cookie to be misused.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """Show the switches, or store them."""
    key = named(PREFERENCES, token)
    user = Subscriber.objects.select_related("tenant").filter(pk=key).first() if key else None
    if user is None:
        return gone(request)
    say = spoken(request, user.locale, last=user.tenant.locale)
    if request.method == "POST":
        try:
            _store(request, user, say)
        except Problem:  # the user went in this moment
            return gone(request)
        return HttpResponseRedirect(f"{request.path}?saved", status=303)
    row = wishes(Owner(user.tenant_id, user.mode), user.user_id)
    shown: dict[str, Any] = {
        "tenant": user.tenant,
        "intro": say.preferences_of.format(tenant=user.tenant.name),
        "categories": _categories(user, row, say),
        "is_saved": "saved" in request.GET,
    }
    return page("preferences", say, **shown)


def _categories(user: Subscriber, row: Preference, say: Words) -> list[dict[str, Any]]:
    required = required_categories(user.tenant_id)
    return [
        {
            "name": category,
            "label": say.category(category),
            "is_required": category in required,
            "switches": [
                {
                    "name": f"{category}:{channel}",
                    "label": say.channel(channel),
                    "is_on": wants(row, category, channel, required),
                }
                for channel in _channels(user, row)
            ],
        }
        for category in DEFAULTS
    ]


def _channels(user: Subscriber, row: Preference) -> list[str]:
    """Those on which the user can be reached or has said something; else all."""
    said = {channel for by_channel in row.categories.values() for channel in by_channel}
    return [name for name in channels if name in user.addresses or name in said] or [*channels]


def _store(request: HttpRequest, user: Subscriber, say: Words) -> None:
    """What was not on the page when it was shown is left as it is."""
    known = {f"{category}:{channel}": (category, channel)
             for category in DEFAULTS for channel in channels}  # fmt: skip
    try:
        shown = [name for name in request.POST.getlist("shown") if name in known]
        on = {*request.POST.getlist("on")}
    except SuspiciousOperation:
        return
    wanted = {known[name]: name in on for name in shown}
    texts = {(a, b): f"{say.category(a)}: {say.channel(b)}" for a, b in wanted}
    choose(user, wanted, texts)
