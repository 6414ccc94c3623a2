"""The portal: one admin site for operators and members, at `/portal/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver

from portal.access import access_of
from portal.admin import explain, mailbox
from portal.forms.login import LoginForm
from portal.queries.dashboard import overview
from portal.queries.trouble import SHOWN, troubles

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
else:
    from unfold.sites import UnfoldAdminSite as AdminSite

# `view_on_site` opens any row of any model by its number, `search` answers from a cache that
# outlives a member's rights: neither knows tenants, and nothing here needs them.
_LEFT_OUT = {"view_on_site", "search"}


class PortalSite(AdminSite):
    """Opens for operators and for members of any tenant; what they find inside is scoped."""

    site_title = "Hiram"
    site_header = "Hiram"
    index_title = "Overview"
    enable_nav_sidebar = True
    login_form = LoginForm
    index_template = "portal/index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the portal opens at all."""
        return access_of(request).opens

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """The admin's addresses without those that know no tenants, and ours."""
        kept = [u for u in super().get_urls() if getattr(u, "name", None) not in _LEFT_OUT]
        return [*explain.urls(self), *mailbox.urls(self), *kept]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page shows: first of all the providers that are in trouble."""
        found = troubles(access_of(request))
        shown = {"troubles": found, "troubles_shown": SHOWN}
        return {**super().each_context(request), **shown}

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """A few numbers of the user's tenants."""
        shown = {**(extra_context or {}), "overview": overview(access_of(request))}
        return super().index(request, shown)


site = PortalSite(name="admin")
