"""Trestleboard: what is new, for everybody, as a page and as a feed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.syndication.views import Feed
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as page
from django.utils.cache import patch_cache_control
from django.utils.feedgenerator import Atom1Feed
from django.views.decorators.http import require_safe

from portal.mails import absolute
from portal.markdown import render
from portal.models import Entry
from portal.queries.news import mark_read, published, releases, unread
from tenants.models import User

if TYPE_CHECKING:
    Base = Feed[Entry, Any]
else:
    Base = Feed  # generic for the type checker only

FEED_ENTRIES = 50


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """The page. Who is logged in sees what is new to him, once."""
    user: Any = request.user
    new = set(unread(user).values_list("pk", flat=True)) if isinstance(user, User) else set()
    found = releases()
    shown = [
        (release, [(entry, render(entry.body), entry.pk in new) for entry in release.entries])
        for release in found
    ]
    response = page(request, "portal/trestleboard.html", {"releases": shown})
    listed = {entry.pk for release in found for entry in release.entries}
    if new & listed:
        mark_read(user, sorted(new & listed))
    patch_cache_control(response, private=True, no_cache=True)
    return response


class News(Base):
    """The feed (RFC 4287). Ids are made of the entry's own, not of an address that may change."""

    feed_type = Atom1Feed
    title = "Hiram: Trestleboard"
    subtitle = "What is new"
    link = f"{settings.PUBLIC_URL}/trestleboard/"
    feed_url = f"{settings.PUBLIC_URL}/trestleboard/feed.atom"
    author_name = "Hiram"
    feed_guid = f"{settings.PUBLIC_URL}/trestleboard/"

    def items(self) -> list[Entry]:
        """The newest entries."""
        return list(published()[:FEED_ENTRIES])

    def item_title(self, item: Any) -> str:
        """Version and kind, on one line."""
        return " ".join(f"{item.version} {item.get_kind_display()}".split())

    def item_description(self, item: Any) -> str:
        """The body, cleaned."""
        return render(item.body)

    def item_link(self, item: Any) -> str:
        """The entry's place on the page."""
        return absolute(f"/trestleboard/#{item.pk}")

    def item_guid(self, item: Any) -> str:
        """A URN (RFC 9562)."""
        return f"urn:uuid:{item.pk}"

    def item_pubdate(self, item: Any) -> Any:
        """When it was written here."""
        return item.created_at

    def item_updateddate(self, item: Any) -> Any:
        """When it was last changed here."""
        return item.updated_at
