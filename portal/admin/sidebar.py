"""What the theme asks for by dotted path (`UNFOLD` in the settings): navigation and stylesheet."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

from notifications.models import DeadLetter
from portal.access import MANAGERS, Access, access_of
from portal.queries.letters import open_letters
from portal.queries.news import unread
from tenants.models import User

COUNTED = 100


def stylesheet(request: HttpRequest) -> str:
    """The portal's own additions to the theme."""
    return static("portal/portal.css")


def icon(request: HttpRequest) -> str:
    """The picture in the browser's tab."""
    return static("portal/icon.svg")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu, with what this user may open."""
    access, user = access_of(request), request.user
    news = unread(user).count() if isinstance(user, User) else 0
    board = _item("Trestleboard", "campaign", "trestleboard")
    if news:
        board |= {"badge": min(news, 99), "badge_variant": "primary"}
    return [
        {
            "items": [
                _item("Overview", "monitoring", "admin:index"),
                _item(
                    "Notifications", "outgoing_mail", "admin:notifications_notification_changelist"
                ),
                _dead_letters(access),
                _item("Users", "person_search", "admin:notifications_subscriber_changelist"),
                _item("Templates", "draft", "admin:notifications_template_changelist"),
                _item("Partials", "extension", "admin:notifications_templatepartial_changelist"),
                _brand(access),
                _item("Suppressions", "block", "admin:notifications_suppression_changelist"),
                _item("Blocks", "front_hand", "admin:notifications_block_changelist"),
                _item("Explain", "help", "admin:explain"),
                *([_item("Mailbox", "inbox", "admin:mailbox")] if settings.SIMULATOR_URL else []),
            ]
        },
        {
            "title": "Set up",
            "items": [
                _item("API keys", "key", "admin:tenants_apikey_changelist"),
                _item("Providers", "hub", "admin:tenants_provider_changelist"),
                _item("Webhooks", "webhook", "admin:notifications_webhookendpoint_changelist"),
                _policies(access),
            ],
        },
        {"title": "People", "items": _people(access)},
        {"title": "Hiram", "items": [board, *_platform(access)]},
    ]


def _dead_letters(access: Access) -> dict[str, Any]:
    found = _item("Dead letters", "unsubscribe", "admin:notifications_deadletter_changelist")
    letters = access.within(open_letters(DeadLetter.objects.all()), "tenant_id")
    # Along the index of the open ones, and no further than is shown.
    count = letters[:COUNTED].count()
    badge = f"{count}" if count < COUNTED else f"{COUNTED - 1}+"
    return found | {"badge": badge, "badge_variant": "warning"} if count else found


def _policies(access: Access) -> dict[str, Any]:
    if access.is_single:
        return _item("Policies", "rule", "admin:tenants_tenant_policies", *access.roles)
    return _item("Policies", "rule", "admin:tenants_tenant_choose")


def _brand(access: Access) -> dict[str, Any]:
    if access.is_single:
        return _item("Brand", "palette", "admin:tenants_tenant_brand", *access.roles)
    return _item("Brand", "palette", "admin:tenants_tenant_choose_brand")


def _people(access: Access) -> list[dict[str, Any]]:
    members = _item("Members", "group", "admin:tenants_member_changelist")
    invites = _item("Invitations", "person_add", "admin:tenants_invite_changelist")
    return [members, *([invites] if access.allows(MANAGERS) else [])]


def _platform(access: Access) -> list[dict[str, Any]]:
    tenants = _item("Tenants", "apartment", "admin:tenants_tenant_changelist")
    if not access.operator:
        return [tenants]
    return [
        tenants,
        _item("Accounts", "manage_accounts", "admin:tenants_user_changelist"),
        _item("News entries", "edit_note", "admin:portal_entry_changelist"),
    ]


def _item(title: str, icon: str, name: str, *args: object) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(name, args=args)}
