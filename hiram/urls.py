"""Every address; the only module that includes every app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import include, path
from django.views import defaults

import delivery.urls
import notifications.urls
import tenants.urls
from delivery.callbacks import CallbackEndpoint
from hiram.lib.rest import problem_view
from hiram.lib.shortcut import PREFIXES
from hiram.openapi import Docs, DocumentEndpoint
from hiram.problem_pages import problem, problem_list
from notifications.pages.preferences import preferences
from notifications.pages.unsubscribe import unsubscribe

# In one list, the busiest first: each `include` costs a request as much as its own work.
_api = [
    *notifications.urls.urlpatterns,
    *tenants.urls.urlpatterns,
    *delivery.urls.urlpatterns,
    path("openapi.json", DocumentEndpoint.as_view(), name="openapi"),
]

urlpatterns = [
    path("v1/", include(_api)),
    path(
        "callbacks/<str:driver>/<str:provider_id>/<str:token>",
        CallbackEndpoint.as_view(),
        name="callback",
    ),
    path("u/<str:token>", unsubscribe, name="unsubscribe"),
    path("preferences/<str:token>", preferences, name="preference-page"),
    path("docs/", Docs.as_view(), name="docs"),
    path("problems/", problem_list, name="problems"),
    path("problems/<slug:code>", problem, name="problem"),
    path("", include("portal.urls")),
]


def _handler(code: str, page: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The API's error form for its addresses, Django's page for all others."""
    refuse = problem_view(code)

    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.path_info.startswith(PREFIXES):
            return refuse(request)
        return page(request, *args, **kwargs)

    return handle


handler400 = _handler("malformed", defaults.bad_request)
handler404 = _handler("not-found", defaults.page_not_found)
handler500 = _handler("internal", defaults.server_error)
