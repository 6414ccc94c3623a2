"""Puts every request into its trace, its logs and its metric; the outermost middleware."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from hiram.lib.rest import request_id
from hiram.telemetry import context, metrics, traces


class Watch:
    """Names the request on its answer (`X-Request-Id`) and in everything recorded of it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """As Django calls it."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve the request."""
        started = time.perf_counter()
        name = request_id(request)
        method = traces.known_method(request.method or "")
        with (
            context.bind(request_id=name),
            traces.serving(method, request.META.get("HTTP_TRACEPARENT")) as scope,
        ):
            response = self._get_response(request)
            # The template of the route, never the path: it has no ids in it.
            route = request.resolver_match.route if request.resolver_match else ""
            scope.answered(route, response.status_code)
        response.headers.setdefault("X-Request-Id", name)
        metrics.answered(method, route, response.status_code, time.perf_counter() - started)
        return response
