"""What the pages for recipients share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from notifications.pages.words import Words, words

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
}


def spoken(request: HttpRequest, *locales: str | None, last: str | None = None) -> Words:
    """In the first of these locales that we have, else what the browser asks for, else `last`."""
    asked = request.headers.get("Accept-Language", "")[:200].split(",")
    return words(*locales, *(part.partition(";")[0] for part in asked), last)


def page(template: str, say: Words, status: int = 200, **shown: Any) -> HttpResponse:
    """A page. It is made without the request: nothing of a session or a cookie gets into it."""
    text = render_to_string(f"recipient/{template}.html", {"say": say, **shown})
    return HttpResponse(text, status=status, headers=_HEADERS)


def gone(request: HttpRequest) -> HttpResponse:
    """A link that names nothing (any more)."""
    return page("gone", spoken(request), 404)
