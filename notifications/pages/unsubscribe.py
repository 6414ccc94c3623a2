"""`/u/{token}`: what `List-Unsubscribe` names (RFC 8058).

A POST unsubscribes, whoever makes it: a mail program, or the page's own button. Everything else, a
scanner's GET too, changes nothing.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from notifications import unsubscribe as verb
from notifications.links import PREFERENCES, UNSUBSCRIBE, link, named
from notifications.models import Notification
from notifications.pages.page import gone, page, spoken


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask, or do it."""
    key = named(UNSUBSCRIBE, token)
    row = Notification.objects.select_related("tenant").filter(pk=key).first() if key else None
    if row is None:
        return gone(request)
    is_done = verb.unsubscribe(row) if request.method == "POST" else None
    user = verb.user_of(row)
    say = spoken(request, user.locale if user else None, row.locale, last=row.tenant.locale)
    named_so = {
        "tenant": row.tenant.name,
        "category": say.category(row.category),
        "channel": say.channel(row.channel),
    }
    text = {None: say.ask, True: say.done, False: say.required}[is_done]
    shown: dict[str, Any] = {
        "tenant": row.tenant,
        "is_done": is_done,
        "text": text.format(**named_so),
        "preferences_url": link(PREFERENCES, user.pk) if user else None,
    }
    return page("unsubscribe", say, **shown)
