"""Programs' requests go straight to their endpoint, past what only browsers need."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import resolve

from hiram.lib.rest import problem_view

PREFIXES = ("/v1/", "/callbacks/")

_unknown = problem_view("not-found")
_resolve = lru_cache(maxsize=256)(resolve)


class Shortcut:
    """A middleware: the ones that stand after it (sessions, CSRF, ...) do not see the API's or callbacks."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """As Django calls it."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, or pass on."""
        if not request.path_info.startswith(PREFIXES):
            return self._get_response(request)
        try:
            found = _resolve(request.path_info)
        except Http404:
            return _unknown(request)
        request.resolver_match = found
        response: HttpResponseBase = found.func(request, *found.args, **found.kwargs)
        return response
