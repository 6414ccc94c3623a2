"""The mailbox: what the simulator received, shown so that nothing in it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from portal.access import access_of
from portal.queries import mailbox

View = Callable[..., HttpResponse]
AWAY = "The simulator does not answer. It runs in development, with `make up`."


def urls(site: AdminSite) -> list[URLPattern]:
    """The mailbox's addresses on this site."""

    def view(route: str, function: View, name: str) -> URLPattern:
        @wraps(function)
        def inner(request: HttpRequest, **values: Any) -> HttpResponse:
            return _served(function, site, request, values)

        return path(route, site.admin_view(inner), name=name)

    return [
        view("mailbox/", _list, "mailbox"),
        view("mailbox/clear/", _clear, "mailbox_clear"),
        view("mailbox/<str:message_id>/", _message, "mailbox_message"),
        view("mailbox/<str:message_id>/raw/", _raw, "mailbox_raw"),
        view("mailbox/<str:message_id>/files/<int:number>/", _attachment, "mailbox_attachment"),
    ]


def _served(
    function: View, site: AdminSite, request: HttpRequest, values: dict[str, Any]
) -> HttpResponse:
    if not settings.SIMULATOR_URL:
        raise Http404
    try:
        return function(request, site=site, **values)
    except mailbox.Missing as error:
        raise Http404 from error
    except mailbox.Away:
        shown = {**site.each_context(request), "title": "Mailbox", "away": AWAY}
        return TemplateResponse(request, "portal/mailbox.html", shown, status=502)


@require_safe
def _list(request: HttpRequest, site: AdminSite) -> HttpResponse:
    asked = {name: request.GET.get(name, "") for name in mailbox.FILTERS}
    page = mailbox.messages(access_of(request), asked, request.GET.get("cursor", ""))
    for found in page.messages:
        found["at"] = parse_datetime(found["received_at"])
    older = urlencode({**asked, "cursor": page.cursor}) if page.cursor else ""
    shown = {"title": "Mailbox", "page": page, "asked": asked, "older": older}
    shown["can_clear"] = access_of(request).operator
    return TemplateResponse(
        request, "portal/mailbox.html", {**site.each_context(request), **shown}
    )


@require_POST
def _clear(request: HttpRequest, site: AdminSite) -> HttpResponse:
    if not access_of(request).operator:
        raise PermissionDenied
    mailbox.clear()
    messages.success(request, "The mailbox is empty.")
    return HttpResponseRedirect(reverse("admin:mailbox"))


@require_safe
def _message(request: HttpRequest, site: AdminSite, message_id: str) -> HttpResponse:
    found = mailbox.message(access_of(request), message_id)
    found["at"] = parse_datetime(found["received_at"])
    shown = {"title": found["subject"] or "(no subject)", "message": found}
    return TemplateResponse(
        request, "portal/mailbox_message.html", {**site.each_context(request), **shown}
    )


@require_safe
def _raw(request: HttpRequest, site: AdminSite, message_id: str) -> HttpResponse:
    return _download(mailbox.raw(access_of(request), message_id))


@require_safe
def _attachment(
    request: HttpRequest, site: AdminSite, message_id: str, number: int
) -> HttpResponse:
    return _download(mailbox.attachment(access_of(request), message_id, number))


def _download(file: mailbox.File) -> HttpResponse:
    """A stranger's file: always a download, and harmless where a browser opens it anyway."""
    response = HttpResponse(file.content, content_type="application/octet-stream")
    response["Content-Disposition"] = file.disposition
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
